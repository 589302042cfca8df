import { CHANNEL, FRAME_BASE, KEEPER_LOOP } from '../launcher/keeper.program.js';
import { Program, type Assembled, type Place } from '../launcher/program.js';
import { failure, record } from '../launcher/records.js';
import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { attachLoop, becomeUser, directory, mapIds, mount } from './steps.js';

/** Where the keeper holds the user namespace in which the host's root is the sandbox's user. */
export const OWNER_NAMESPACE_FD = 120;

/** Where the writable part of a sandbox lies: a file with an ext4 of its own, or memory. Both end at their size. */
export type DiskPlan =
  | { readonly kind: 'loop'; readonly image: string; readonly device: number }
  | { readonly kind: 'tmpfs'; readonly bytes: number; readonly inodes: number };

/** What can be mounted before it is known what will run. Paths are the host's. */
export interface PreparePlan {
  readonly architecture: Architecture;
  /** The runner is root: the sandbox gets a host uid of its own. Otherwise it runs as `uid`, the runner's. */
  readonly privileged: boolean;
  readonly uid: number;
  readonly gid: number;
  /** An empty folder to mount on, in a mount namespace of the sandbox's own. */
  readonly stage: string;
  readonly disk: DiskPlan;
}

/**
 * The frame that gives the keeper a mount namespace of its own, and in it the sandbox's disk. When the keeper and the sandbox
 * are gone, so is the namespace, with everything that was ever mounted in it.
 */
export function prepareFrame(plan: PreparePlan, id: number): Assembled {
  const program = new Program(plan.architecture);
  const start = { index: undefined };
  program.goTo(start);
  const failed = failure(program, CHANNEL, 'failed', id);
  program.reach(start);
  program.onFailure(failed);
  ownMountNamespace(program, plan);
  mount(program, 'tmpfs', plan.stage, 'tmpfs', linux.MS_NOSUID | linux.MS_NODEV, 'size=256k,nr_inodes=256,mode=0755');
  if (plan.privileged) ownerNamespace(program, plan, failed);
  mountDisk(program, plan);
  program.call('close_range', CHANNEL + 1, OWNER_NAMESPACE_FD - 1, 0);
  program.call('close_range', OWNER_NAMESPACE_FD + 1, 0xffffffff, 0);
  record(program, CHANNEL, 'ready', id);
  program.goTo(KEEPER_LOOP);
  return program.assemble(FRAME_BASE);
}

/** From here on, no mount is the host's; those that the host undoes later go away here too. */
function ownMountNamespace(program: Program, plan: PreparePlan): void {
  if (plan.privileged) program.call('unshare', linux.CLONE_NEWNS);
  else {
    program.call('unshare', linux.CLONE_NEWUSER | linux.CLONE_NEWNS);
    mapIds(program, 0, plan);
  }
  program.call('mount', 0, program.text('/'), 0, linux.MS_REC | linux.MS_SLAVE, 0);
}

/**
 * A user namespace in which the host's root is the sandbox's user, as a descriptor for idmapped mounts. It is made by a
 * child that becomes that user, since anyone may map themselves; the child shares our table of descriptors.
 */
function ownerNamespace(program: Program, plan: PreparePlan, failed: Place): void {
  const parent = { index: undefined };
  program.call('clone', linux.CLONE_FILES | linux.SIGCHLD, 0, 0, 0, 0).thenIfPositive(parent);
  becomeUser(program, plan.uid, plan.gid);
  program.call('prctl', linux.PR_SET_DUMPABLE, 1); // or /proc/self would belong to root
  program.call('unshare', linux.CLONE_NEWUSER);
  mapIds(program, 0, plan);
  const open = program.call('openat', linux.AT_FDCWD, program.text('/proc/self/ns/user'), linux.O_RDONLY);
  program.call('dup3', open.result, OWNER_NAMESPACE_FD, linux.O_CLOEXEC);
  program.call('exit_group', 0);
  program.reach(parent);
  program.onFailure(failed);
  program.call('wait4', -1, 0, 0, 0).orContinue(); // ECHILD, as the keeper's children are reaped by the kernel
}

function mountDisk(program: Program, { stage, disk, privileged, uid, gid }: PreparePlan): void {
  const target = `${stage}/disk`;
  directory(program, target);
  const flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOATIME;
  if (disk.kind === 'tmpfs')
    mount(program, 'tmpfs', target, 'tmpfs', flags, `size=${disk.bytes},nr_inodes=${disk.inodes},mode=0755`);
  else {
    const device = attachLoop(program, disk);
    // The tables are zeroes already, as the file is sparse: a kernel thread need not write them.
    mount(program, device, target, 'ext4', flags, 'noinit_itable');
  }
  for (const name of ['upper', 'work', 'home']) {
    const place = directory(program, `${target}/${name}`);
    if (privileged) program.call('fchownat', linux.AT_FDCWD, place, uid, gid, 0);
  }
}
