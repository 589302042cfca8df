import { CHANNEL, FRAME_BASE, KEEPER_LOOP, setChildSignal } from '../launcher/keeper.program.js';
import { Program, type Assembled } from '../launcher/program.js';
import { failure, record } from '../launcher/records.js';
import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { OWNER_NAMESPACE_FD } from './prepare.program.js';
import { becomeUser, forkInto } from './steps.js';

/** Where the keeper holds the namespaces of its sandbox, and the folder of the pipes to the runner. */
const USER_NAMESPACE_FD = 100;
const FIRST_NAMESPACE_FD = 101;
const PIPES_FD = 110;
/** The cgroup namespace is joined last: a process may not be born into a cgroup that its namespace does not show. */
const namespaces = [
  ['mnt', linux.CLONE_NEWNS],
  ['pid', linux.CLONE_NEWPID],
  ['net', linux.CLONE_NEWNET],
  ['ipc', linux.CLONE_NEWIPC],
  ['uts', linux.CLONE_NEWUTS],
  ['cgroup', linux.CLONE_NEWCGROUP],
] as const;

/** What the keeper has to know once its sandbox runs. */
export interface AdoptPlan {
  readonly architecture: Architecture;
  readonly privileged: boolean;
  readonly uid: number;
  readonly gid: number;
  /** The first process inside, by its number on the host. */
  readonly initPid: number;
  /** A folder of the runner's, in which the keeper makes the pipes. */
  readonly pipes: string;
}

/** The frame by which the keeper takes hold of the namespaces of its sandbox and gives up every power of its own. */
export function adoptFrame(plan: AdoptPlan, id: number): Assembled {
  const program = new Program(plan.architecture);
  const start = { index: undefined };
  program.goTo(start);
  const failed = failure(program, CHANNEL, 'failed', id);
  program.reach(start);
  program.onFailure(failed);
  hold(program, plan.pipes, PIPES_FD);
  hold(program, `/proc/${plan.initPid}/ns/user`, USER_NAMESPACE_FD);
  namespaces.forEach(([name], index) => hold(program, `/proc/${plan.initPid}/ns/${name}`, FIRST_NAMESPACE_FD + index));
  if (plan.privileged) becomeUser(program, plan.uid, plan.gid);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL); // a change of user clears it
  program.call('prctl', linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  program.call('prctl', linux.PR_SET_DUMPABLE, 0);
  program.call('close', OWNER_NAMESPACE_FD).orContinue();
  record(program, CHANNEL, 'ready', id);
  program.goTo(KEEPER_LOOP);
  return program.assemble(FRAME_BASE);
}

function hold(program: Program, path: string, descriptor: number): void {
  const open = program.call('openat', linux.AT_FDCWD, program.text(path), linux.O_RDONLY | linux.O_CLOEXEC);
  program.call('dup3', open.result, descriptor, linux.O_CLOEXEC);
}

/** What every process that enters a sandbox from outside needs. */
export interface EnterPlan {
  readonly architecture: Architecture;
  /** Names of the pipes in the keeper's folder; without one, /dev/null. */
  readonly stdin?: string;
  readonly stdout: string;
  readonly stderr: string;
  /** A cgroup (v2) of this process and its descendants alone, by which they can be killed at once. */
  readonly cgroup?: string;
  readonly filter: Uint8Array;
  readonly limits: readonly { readonly resource: number; readonly value: number }[];
}

/** What a process does once it is inside: the last calls of its program. */
export type Inside = (program: Program) => void;

/**
 * The frame for one process in a running sandbox. The keeper forks a waiter, which opens the pipes, joins the namespaces and
 * forks the process itself; the process drops what joining a user namespace gave it, takes on the filter, and goes on
 * with `inside`. Records: ready (the pipes are there), started, exited; failed before it is inside, refused after.
 */
export function enterFrame(plan: EnterPlan, id: number, inside: Inside): Assembled {
  const program = new Program(plan.architecture);
  const waiter = { index: undefined };
  const start = { index: undefined };
  program.goTo(start);
  const failed = failure(program, CHANNEL, 'failed', id);
  const refused = failure(program, CHANNEL, 'refused', id);
  program.reach(start);
  program.onFailure(failed);
  program.call('clone', linux.SIGCHLD, 0, 0, 0, 0).thenIfPositive(KEEPER_LOOP);
  setChildSignal(program, false);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL);
  beFirstVictim(program);
  const fork = forkInto(program, plan.cgroup);
  openPipes(program, plan, id);
  joinNamespaces(program);
  const pid = program.words(0, 0);
  fork().storedAt(pid).thenIfPositive(waiter);
  surrender(program, plan);
  program.onFailure(refused);
  inside(program);
  program.call('exit_group', 0);
  program.reach(waiter);
  program.onFailure(failed);
  wait(program, id, pid);
  return program.assemble(FRAME_BASE);
}

/** The frame whose process becomes another program: the first of `paths` that can be executed. */
export function executeFrame(
  plan: EnterPlan,
  id: number,
  command: { paths: readonly string[]; argv: readonly string[]; env: Record<string, string>; cwd: string },
): Assembled {
  return enterFrame(plan, id, (program) => {
    program.call('chdir', program.text(command.cwd));
    const last = command.paths.at(-1) as string;
    const environment = program.texts(Object.entries(command.env).map(([name, value]) => `${name}=${value}`));
    const argv = program.texts(command.argv);
    for (const path of command.paths.slice(0, -1))
      program.call('execve', program.text(path), argv, environment).orContinue();
    program.call('execve', program.text(last), argv, environment);
  });
}

/** Opening a pipe waits for its other end, so the runner is told first; once both are open, the name goes. */
function openPipes(program: Program, plan: EnterPlan, id: number): void {
  const pipes = [
    { name: plan.stdin, flags: linux.O_RDONLY, descriptor: 0 },
    { name: plan.stdout, flags: linux.O_WRONLY, descriptor: 1 },
    { name: plan.stderr, flags: linux.O_WRONLY, descriptor: 2 },
  ].map(({ name, ...rest }) => ({ ...rest, path: name === undefined ? undefined : program.text(name) }));
  for (const { path } of pipes)
    if (path !== undefined) program.call('mknodat', PIPES_FD, path, linux.S_IFIFO | 0o600, 0);
  record(program, CHANNEL, 'ready', id);
  for (const { path, flags, descriptor } of pipes) {
    const open =
      path === undefined
        ? program.call('openat', linux.AT_FDCWD, program.text('/dev/null'), linux.O_RDWR)
        : program.call('openat', PIPES_FD, path, flags);
    program.call('dup3', open.result, descriptor, 0).orContinue();
  }
  for (const { path } of pipes) if (path !== undefined) program.call('unlinkat', PIPES_FD, path, 0).orContinue();
}

/** When memory runs out, a command goes, and not what holds the sandbox up, however small the command is. */
function beFirstVictim(program: Program): void {
  program.call('prctl', linux.PR_SET_DUMPABLE, 1); // or our files in /proc would belong to root
  const open = program.call(
    'openat',
    linux.AT_FDCWD,
    program.text('/proc/self/oom_score_adj'),
    linux.O_WRONLY | linux.O_CLOEXEC,
  );
  program.call('prctl', linux.PR_SET_DUMPABLE, 0);
  program.call('write', open.result, program.text('500'), 3);
}

/** As the sandbox's user, who owns its outer user namespace: that is where the power to join the others comes from. */
function joinNamespaces(program: Program): void {
  const outer = program.call('ioctl', USER_NAMESPACE_FD, linux.NS_GET_PARENT);
  program.call('setns', outer.result, linux.CLONE_NEWUSER);
  namespaces.forEach(([name, flag], index) => {
    if (name !== 'cgroup') program.call('setns', FIRST_NAMESPACE_FD + index, flag);
  });
}

/** Everything that a process of the sandbox must not have: capabilities, descriptors, limits above its own, calls. */
function surrender(program: Program, plan: EnterPlan): void {
  const cgroupNamespace = FIRST_NAMESPACE_FD + namespaces.findIndex(([name]) => name === 'cgroup');
  program.call('setns', cgroupNamespace, linux.CLONE_NEWCGROUP);
  program.call('setns', USER_NAMESPACE_FD, linux.CLONE_NEWUSER);
  program.call('setsid');
  program.call('umask', 0o022);
  for (let capability = 0; capability <= linux.CAP_LAST; capability++)
    program.call('prctl', linux.PR_CAPBSET_DROP, capability, 0, 0, 0).orContinue();
  program.call('prctl', linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // struct __user_cap_header_struct {version, pid}; two of __user_cap_data_struct {effective, permitted, inheritable}
  program.call('capset', program.words(linux.LINUX_CAPABILITY_VERSION_3), program.room(24));
  for (const { resource, value } of plan.limits) program.call('prlimit64', 0, resource, program.words(value, value), 0);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL);
  program.call('close_range', CHANNEL, 0xffffffff, linux.CLOSE_RANGE_CLOEXEC);
  const filter = program.bytes(plan.filter);
  // struct sock_fprog: the number of instructions, padding, where they are
  program.call('seccomp', linux.SECCOMP_SET_MODE_FILTER, 0, program.words(plan.filter.length / 8, filter));
}

function wait(program: Program, id: number, pid: { data: number }): void {
  for (const descriptor of [0, 1, 2]) program.call('close', descriptor);
  record(program, CHANNEL, 'started', id, pid);
  const status = program.words(0, 0);
  program.call('wait4', -1, status, 0, 0);
  record(program, CHANNEL, 'exited', id, status);
  program.call('exit_group', 0);
}
