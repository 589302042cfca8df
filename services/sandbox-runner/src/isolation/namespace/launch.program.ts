import { CHANNEL, FRAME_BASE, KEEPER_LOOP, setChildSignal } from '../launcher/keeper.program.js';
import { Program, type Assembled, type Data, type Place, type Step } from '../launcher/program.js';
import { failure } from '../launcher/records.js';
import * as linux from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';

/** Descriptors that bubblewrap and the first process inside inherit; beyond what an open gives, as dup3 refuses equal numbers. */
export const INIT_CHANNEL = 60;
export const INFO_FD = 61;
export const FILTER_FD = 62;
/** Kept open by the first process inside, in the folder of pipes: when it closes, the sandbox has ended. */
export const ALIVE_FD = 63;
export const ALIVE_PIPE = 'alive';
/** Descriptors used while mounting. */
const OWNER_NAMESPACE_FD = 100;
const TREE_FD = 101;
const IMAGE_FD = 102;

/** Where the writable part of a sandbox lies: a file with an ext4 of its own, or memory. Both end at their size. */
export type DiskPlan =
  | { readonly kind: 'loop'; readonly image: string; readonly device: number }
  | { readonly kind: 'tmpfs'; readonly bytes: number; readonly inodes: number };

/** A folder of the host, or the file system in an image, that is seen at `name` of the stage. */
export interface StagedFolder {
  readonly source: string | { readonly image: string; readonly device: number };
  readonly name: string;
  /** Files of the runner's user appear as the sandbox's own (an idmapped mount). */
  readonly owned?: boolean;
  /** Default: read-only. */
  readonly writable?: boolean;
}

/** Everything the launch of one sandbox needs; paths are the host's. */
export interface LaunchPlan {
  readonly architecture: Architecture;
  /** The runner is root: the sandbox gets a host uid of its own. Otherwise it runs as `uid`, the runner's. */
  readonly privileged: boolean;
  readonly uid: number;
  readonly gid: number;
  /** An empty folder to mount on, in a mount namespace of the sandbox's own. */
  readonly stage: string;
  readonly folders: readonly StagedFolder[];
  readonly files: readonly { readonly source: string; readonly name: string }[];
  /** The name of the staged folder that is the lower layer of the work folder, if any. */
  readonly lower?: string;
  readonly disk: DiskPlan;
  /** The cgroup (v2) in which everything of the sandbox is born. */
  readonly boxCgroup?: string;
  readonly initProgram: string;
  readonly filter: string;
  readonly info: string;
  readonly pipes: string;
  readonly bubblewrap: readonly string[];
}

/** The frame that mounts a sandbox's files and starts bubblewrap, as the sandbox's user, in a process of its own. */
export function launchFrame(plan: LaunchPlan, id: number): Assembled {
  const program = new Program(plan.architecture);
  const start = { index: undefined };
  program.goTo(start);
  const failed = failure(program, CHANNEL, 'failed', id);
  program.reach(start);
  program.onFailure(failed);
  forkInto(program, plan.boxCgroup)().thenIfPositive(KEEPER_LOOP);
  setChildSignal(program, false);
  program.call('dup3', CHANNEL, INIT_CHANNEL, 0);
  inherit(program, plan.filter, linux.O_RDONLY, FILTER_FD);
  inherit(program, plan.info, linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC, INFO_FD);
  const alive = `${plan.pipes}/${ALIVE_PIPE}`;
  program.call('mknodat', linux.AT_FDCWD, program.text(alive), linux.S_IFIFO | 0o600, 0);
  inherit(program, alive, linux.O_RDWR, ALIVE_FD); // to write alone would wait for a reader
  ownMountNamespace(program, plan);
  mount(program, 'tmpfs', plan.stage, 'tmpfs', linux.MS_NOSUID | linux.MS_NODEV, 'size=256k,nr_inodes=256,mode=0755');
  if (plan.privileged && plan.folders.some(({ owned }) => owned)) ownerNamespace(program, plan, failed);
  for (const folder of plan.folders) stageFolder(program, plan, folder);
  for (const file of plan.files) stageFile(program, plan, file);
  mountDisk(program, plan);
  mountWork(program, plan);
  inherit(program, plan.initProgram, linux.O_RDONLY, CHANNEL);
  program.onFailure(reportOn(program, INIT_CHANNEL, id));
  if (plan.privileged) becomeUser(program, plan.uid, plan.gid);
  program.call('prctl', linux.PR_SET_PDEATHSIG, linux.SIGKILL);
  program.call('prctl', linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  execute(program, plan.bubblewrap[0] as string, plan.bubblewrap, {});
  return program.assemble(FRAME_BASE);
}

/** A failure place for when the channel has moved to another descriptor; jumped over on the way. */
function reportOn(program: Program, channel: number, id: number): Place {
  const past = { index: undefined };
  program.goTo(past);
  const place = failure(program, channel, 'failed', id);
  program.reach(past);
  return place;
}

/**
 * Prepares a fork whose child is born in a cgroup (v2), which costs nothing, where moving it there later costs milliseconds.
 * Adds the fork when it is called; its result is positive in the parent. The path is opened now, while it can be seen.
 */
export function forkInto(program: Program, cgroup: string | undefined): () => Step {
  if (cgroup === undefined) return () => program.call('clone', linux.SIGCHLD, 0, 0, 0, 0);
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
  const args = program.words(linux.CLONE_INTO_CGROUP, 0, 0, 0, linux.SIGCHLD, 0, 0, 0, 0, 0, 0);
  program
    .call('openat', linux.AT_FDCWD, program.text(cgroup), linux.O_PATH | linux.O_CLOEXEC)
    .storedAt({ data: args.data + 10 * 8 });
  return () => program.call('clone3', args, 11 * 8);
}

/** The ids of a sandbox for good, without supplementary groups; the capabilities go with the change of user. */
export function becomeUser(program: Program, uid: number, gid: number): void {
  program.call('setgroups', 0, 0);
  program.call('setresgid', gid, gid, gid);
  program.call('setresuid', uid, uid, uid);
}

/** Replaces the process. */
export function execute(program: Program, path: string, argv: readonly string[], env: Record<string, string>): void {
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  program.call('execve', program.text(path), program.texts(argv), program.texts(environment));
}

/** Opens a file under a number that survives execve. */
function inherit(program: Program, path: string, flags: number, descriptor: number): void {
  const open = program.call('openat', linux.AT_FDCWD, program.text(path), flags | linux.O_CLOEXEC, 0o600);
  program.call('dup3', open.result, descriptor, 0);
}

function mount(program: Program, source: string, target: string, type: string, flags: number, options: string): void {
  program.call('mount', program.text(source), program.text(target), program.text(type), flags, program.text(options));
}

/** From here on, no mount is the host's; those that the host undoes later go away here too. */
function ownMountNamespace(program: Program, plan: LaunchPlan): void {
  if (plan.privileged) program.call('unshare', linux.CLONE_NEWNS);
  else {
    program.call('unshare', linux.CLONE_NEWUSER | linux.CLONE_NEWNS);
    mapIds(program, 0, plan);
  }
  program.call('mount', 0, program.text('/'), 0, linux.MS_REC | linux.MS_SLAVE, 0);
}

/** The one mapping that a process may write for itself: `inside` is its own id. */
function mapIds(program: Program, inside: number, { uid, gid }: LaunchPlan): void {
  const write = (file: string, content: string): void => {
    const open = program.call('openat', linux.AT_FDCWD, program.text(file), linux.O_WRONLY | linux.O_CLOEXEC);
    program.call('write', open.result, program.text(content), content.length);
  };
  write('/proc/self/setgroups', 'deny');
  write('/proc/self/uid_map', `${inside} ${uid} 1`);
  write('/proc/self/gid_map', `${inside} ${gid} 1`);
}

/**
 * A user namespace in which the host's root is the sandbox's user, as a descriptor for idmapped mounts. It is made by a
 * child that becomes that user, since anyone may map themselves; the child shares our table of descriptors.
 */
function ownerNamespace(program: Program, plan: LaunchPlan, failed: Place): void {
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
  program.call('wait4', -1, 0, 0, 0);
}

function directory(program: Program, path: string): Data {
  const place = program.text(path);
  program.call('mkdirat', linux.AT_FDCWD, place, 0o755);
  return place;
}

function stageFolder(program: Program, plan: LaunchPlan, folder: StagedFolder): void {
  const target = directory(program, `${plan.stage}/${folder.name}`);
  const source =
    typeof folder.source === 'string' ? program.text(folder.source) : mountImage(program, plan, folder.source);
  if (!plan.privileged) {
    program.call('mount', source, target, 0, linux.MS_BIND | linux.MS_REC, 0);
    return; // bubblewrap binds it read-only
  }
  const tree = program.call('open_tree', linux.AT_FDCWD, source, linux.OPEN_TREE_CLONE | linux.OPEN_TREE_CLOEXEC);
  program.call('dup3', tree.result, TREE_FD, linux.O_CLOEXEC);
  const empty = program.text('');
  const set =
    linux.MOUNT_ATTR_NOSUID |
    linux.MOUNT_ATTR_NODEV |
    (folder.writable ? 0 : linux.MOUNT_ATTR_RDONLY) |
    (folder.owned ? linux.MOUNT_ATTR_IDMAP : 0);
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd
  const attributes = program.words(set, 0, 0, folder.owned ? OWNER_NAMESPACE_FD : 0);
  program.call('mount_setattr', TREE_FD, empty, linux.AT_EMPTY_PATH, attributes, 32);
  program.call('move_mount', TREE_FD, empty, linux.AT_FDCWD, target, linux.MOVE_MOUNT_F_EMPTY_PATH);
}

/** Mounts the file system of an image in the stage, for one folder to be made of it. */
function mountImage(program: Program, { stage }: LaunchPlan, image: { image: string; device: number }): Data {
  const target = `${stage}/image-${image.device}`;
  const place = directory(program, target);
  const device = attachLoop(program, image);
  mount(program, device, target, 'ext4', linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOATIME, 'noinit_itable');
  return place;
}

function stageFile(program: Program, plan: LaunchPlan, { source, name }: { source: string; name: string }): void {
  const target = program.text(`${plan.stage}/${name}`);
  const made = program.call('openat', linux.AT_FDCWD, target, linux.O_CREAT | linux.O_WRONLY | linux.O_CLOEXEC, 0o644);
  program.call('close', made.result);
  program.call('mount', program.text(source), target, 0, linux.MS_BIND, 0);
}

function mountDisk(program: Program, { stage, disk, privileged, uid, gid }: LaunchPlan): void {
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

/** The device lets go of its file by itself when the last mount of it goes away, whatever becomes of the runner. */
function attachLoop(program: Program, { image, device }: { image: string; device: number }): string {
  const path = `/dev/loop${device}`;
  const control = program.call(
    'openat',
    linux.AT_FDCWD,
    program.text('/dev/loop-control'),
    linux.O_RDWR | linux.O_CLOEXEC,
  );
  program.call('ioctl', control.result, linux.LOOP_CTL_ADD, device).orContinue(); // it may exist
  // Where /dev is not the kernel's, as in a container, nobody makes the node.
  const number = (7 << 8) | (device & 0xff) | ((device & ~0xff) << 12);
  program.call('mknodat', linux.AT_FDCWD, program.text(path), linux.S_IFBLK | 0o600, number).orContinue();
  const file = program.call('openat', linux.AT_FDCWD, program.text(image), linux.O_RDWR | linux.O_CLOEXEC);
  program.call('dup3', file.result, IMAGE_FD, linux.O_CLOEXEC);
  const config = new Uint8Array(linux.LOOP_CONFIG_BYTES);
  const view = new DataView(config.buffer);
  view.setUint32(0, IMAGE_FD, true);
  view.setUint32(4, 4096, true);
  view.setUint32(linux.LOOP_CONFIG_FLAGS_AT, linux.LO_FLAGS_AUTOCLEAR, true);
  const loop = program.call('openat', linux.AT_FDCWD, program.text(path), linux.O_RDWR | linux.O_CLOEXEC);
  program.call('ioctl', loop.result, linux.LOOP_CONFIGURE, program.bytes(config));
  return path;
}

/** The work folder: the lower layer as it was, changes beside it on the disk; without a lower layer, the disk alone. */
function mountWork(program: Program, plan: LaunchPlan): void {
  const work = `${plan.stage}/workspace`;
  directory(program, work);
  const upper = `${plan.stage}/disk/upper`;
  if (plan.lower === undefined) {
    program.call('mount', program.text(upper), program.text(work), 0, linux.MS_BIND, 0);
    return;
  }
  const layers = `lowerdir=${plan.stage}/${plan.lower},upperdir=${upper},workdir=${plan.stage}/disk/work`;
  const options = plan.privileged ? 'index=off,metacopy=off,redirect_dir=nofollow' : 'userxattr';
  mount(program, 'overlay', work, 'overlay', linux.MS_NOSUID | linux.MS_NODEV, `${layers},${options}`);
}
