import type { Architecture } from './seccomp/syscalls.js';

/** Constants of the Linux ABI, named as in the kernel's headers. Those that differ by architecture are functions. */

export const AT_FDCWD = -100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = (architecture: Architecture): number => (architecture === 'x86_64' ? 0o200000 : 0o40000);

export const CLONE_FILES = 0x400;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
/** A flag of clone3 alone. */
export const CLONE_INTO_CGROUP = 0x200000000n;

export const S_IFIFO = 0o010000;
export const S_IFBLK = 0o060000;

export const SIGKILL = 9;
export const SIGCHLD = 17;

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_BIND = 4096;
export const MS_NOATIME = 1024;
export const MS_REC = 16384;
export const MS_SLAVE = 1 << 19;

export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = O_CLOEXEC;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_IDMAP = 0x100000;

export const PR_SET_PDEATHSIG = 1;
export const PR_SET_DUMPABLE = 4;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
/** One past the highest capability of any kernel so far; dropping one that does not exist is an error to ignore. */
export const CAP_LAST = 63;
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

export const SECCOMP_SET_MODE_FILTER = 1;
export const NS_GET_PARENT = 0xb702;
export const MSG_WAITALL = 0x100;
export const CLOSE_RANGE_CLOEXEC = 4;

export const RLIMIT_DATA = 2;
export const RLIMIT_CORE = 4;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;

export const LOOP_CTL_ADD = 0x4c80;
export const LOOP_CTL_REMOVE = 0x4c81;
export const LOOP_CONFIGURE = 0x4c0a;
export const LO_FLAGS_AUTOCLEAR = 4;
/** `struct loop_config`: fd, block size, `struct loop_info64` with its flags at 52, reserved. */
export const LOOP_CONFIG_BYTES = 304;
export const LOOP_CONFIG_FLAGS_AT = 8 + 52;

export const errnoName = (errno: number): string => names[errno] ?? `errno ${errno}`;
const names: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  7: 'E2BIG',
  8: 'ENOEXEC',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  17: 'EEXIST',
  20: 'ENOTDIR',
  21: 'EISDIR',
  22: 'EINVAL',
  28: 'ENOSPC',
  30: 'EROFS',
  36: 'ENAMETOOLONG',
  38: 'ENOSYS',
  39: 'ENOTEMPTY',
  40: 'ELOOP',
  122: 'EDQUOT',
};
