import * as linux from '../linux.js';
import type { Data, Program, Step } from '../launcher/program.js';

/** A number for the image that a loop device is given, beyond what an open gives. */
const LOOP_IMAGE_FD = 122;

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

/** Opens a file under a number that survives execve. */
export function inherit(program: Program, path: string, flags: number, descriptor: number): void {
  const open = program.call('openat', linux.AT_FDCWD, program.text(path), flags | linux.O_CLOEXEC, 0o600);
  program.call('dup3', open.result, descriptor, 0);
}

/** A new file system. */
export function mount(
  program: Program,
  source: string,
  target: string,
  type: string,
  flags: number,
  options: string,
): void {
  program.call('mount', program.text(source), program.text(target), program.text(type), flags, program.text(options));
}

/** Makes a folder and gives its path. */
export function directory(program: Program, path: string): Data {
  const place = program.text(path);
  program.call('mkdirat', linux.AT_FDCWD, place, 0o755);
  return place;
}

/** The one mapping that a process may write for itself: `inside` is its own id. */
export function mapIds(program: Program, inside: number, { uid, gid }: { uid: number; gid: number }): void {
  const write = (file: string, content: string): void => {
    const open = program.call('openat', linux.AT_FDCWD, program.text(file), linux.O_WRONLY | linux.O_CLOEXEC);
    program.call('write', open.result, program.text(content), content.length);
  };
  write('/proc/self/setgroups', 'deny');
  write('/proc/self/uid_map', `${inside} ${uid} 1`);
  write('/proc/self/gid_map', `${inside} ${gid} 1`);
}

/** The device lets go of its file by itself when the last mount of it goes away, whatever becomes of the runner. */
export function attachLoop(program: Program, { image, device }: { image: string; device: number }): string {
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
  program.call('dup3', file.result, LOOP_IMAGE_FD, linux.O_CLOEXEC);
  const config = new Uint8Array(linux.LOOP_CONFIG_BYTES);
  const view = new DataView(config.buffer);
  view.setUint32(0, LOOP_IMAGE_FD, true);
  view.setUint32(4, 4096, true);
  view.setUint32(linux.LOOP_CONFIG_FLAGS_AT, linux.LO_FLAGS_AUTOCLEAR, true);
  const loop = program.call('openat', linux.AT_FDCWD, program.text(path), linux.O_RDWR | linux.O_CLOEXEC);
  program.call('ioctl', loop.result, linux.LOOP_CONFIGURE, program.bytes(config));
  return path;
}
