import * as bpf from './bpf.js';
import type { Block } from './bpf.js';
import { syscallNumber, type Architecture, type Syscall } from './syscalls.js';

const EPERM = 1;
const EAFNOSUPPORT = 97;
const EPROTONOSUPPORT = 93;
const ENOSYS = 38;

/** `AUDIT_ARCH_*` of `<linux/audit.h>`. */
const auditArchitecture = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
/** Calls of the x32 ABI carry this bit and the x86_64 architecture, so the architecture check alone lets them by. */
const X32_BIT = 0x40000000;
/** `CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}`. */
const NAMESPACE_FLAGS = 0x7e020000;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_TYPE_MASK = 0xf;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
/** `TIOCSTI` types into a terminal, `TIOCLINUX` pastes into one, `TIOCSETD` loads a line discipline. */
const REFUSED_IOCTLS = [0x5412, 0x541c, 0x5423];
/** `PER_LINUX`, `UNAME26`, both, and "tell me". Not `ADDR_NO_RANDOMIZE`, not `READ_IMPLIES_EXEC`. */
const ALLOWED_PERSONALITIES = [0, 0x20000, 0x8, 0x20008, 0xffffffff];
const S_IFMT = 0o170000;
const DEVICE_MODES = [0o020000, 0o060000];

const words = (text: string): Syscall[] => text.trim().split(/\s+/) as Syscall[];

/** What ordinary programs (node, python, git, npm, gcc, a shell) use, and what has no power over the host without capabilities. */
const allowed: readonly Syscall[] = words(`
  read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 open openat openat2 creat close close_range lseek
  stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents getdents64 mkdir mkdirat rmdir
  unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmod fchmodat fchmodat2 chown lchown fchown
  fchownat truncate ftruncate fallocate fsync fdatasync sync syncfs sync_file_range flock fcntl dup dup2 dup3 pipe pipe2 umask
  getcwd chdir fchdir utime utimes futimesat utimensat sendfile splice tee vmsplice copy_file_range readahead fadvise64 statfs
  fstatfs getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr
  fremovexattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch memfd_create cachestat
  brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock mlockall munlockall membarrier pkey_mprotect
  pkey_alloc pkey_free get_mempolicy rseq map_shadow_stack shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd
  msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
  fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo getpid getppid
  gettid getpgid setpgid getpgrp setsid getsid getuid geteuid getgid getegid getresuid getresgid setuid setgid setreuid setregid
  setresuid setresgid setfsuid setfsgid getgroups setgroups capget capset prctl arch_prctl set_tid_address set_robust_list
  get_robust_list futex futex_waitv futex_wake futex_wait futex_requeue getrlimit setrlimit prlimit64 getrusage times getpriority
  setpriority sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler
  sched_setscheduler sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval
  ioprio_get ioprio_set getcpu pidfd_open pidfd_send_signal restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn
  rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack signalfd signalfd4 pause alarm getitimer setitimer timer_create
  timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime nanosleep
  clock_nanosleep clock_gettime clock_getres gettimeofday time uname sysinfo getrandom
  landlock_create_ruleset landlock_add_rule landlock_restrict_self
  poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_pwait epoll_pwait2 eventfd
  eventfd2 bind connect listen accept accept4 getsockname getpeername sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
  setsockopt getsockopt shutdown`);

/**
 * Refused by name, with EPERM, so that a program is told no rather than "no such call". Everything not named in this
 * file at all, in particular whatever a future kernel adds, fails with ENOSYS.
 */
const refused: readonly Syscall[] = words(`
  unshare setns mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr
  statmount listmount quotactl quotactl_fd ptrace process_vm_readv process_vm_writev process_madvise process_mrelease
  pidfd_getfd kcmp io_uring_setup io_uring_enter io_uring_register add_key request_key keyctl bpf userfaultfd perf_event_open
  fanotify_init fanotify_mark name_to_handle_at open_by_handle_at seccomp lookup_dcookie syslog kexec_load kexec_file_load
  init_module finit_module delete_module create_module reboot swapon swapoff acct settimeofday clock_settime adjtimex
  clock_adjtime sethostname setdomainname iopl ioperm modify_ldt vhangup uselib nfsservctl`);

const refuse = bpf.fail(EPERM);
const absent = bpf.fail(ENOSYS);

const plainProtocol = bpf.load(
  bpf.argument(2),
  bpf.ifOneOf([0, IPPROTO_TCP, IPPROTO_UDP], bpf.ALLOW, bpf.fail(EPROTONOSUPPORT)),
);
const plainType = bpf.load(
  bpf.argument(1),
  bpf.masked(SOCK_TYPE_MASK, bpf.ifOneOf([SOCK_STREAM, SOCK_DGRAM], plainProtocol, bpf.fail(EPROTONOSUPPORT))),
);
const unixType = bpf.load(
  bpf.argument(1),
  bpf.masked(
    SOCK_TYPE_MASK,
    bpf.ifOneOf([SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET], bpf.ALLOW, bpf.fail(EPROTONOSUPPORT)),
  ),
);
const noDevices = (mode: 1 | 2): Block =>
  bpf.load(bpf.argument(mode), bpf.masked(S_IFMT, bpf.ifOneOf(DEVICE_MODES, refuse, bpf.ALLOW)));

/** Calls whose verdict depends on an argument. */
const conditional: Partial<Record<Syscall, Block>> = {
  // The flags of clone3 are behind a pointer, which a filter cannot follow; glibc and others fall back to clone.
  clone3: absent,
  clone: bpf.load(bpf.argument(0), bpf.ifAnyBit(NAMESPACE_FLAGS, refuse, bpf.ALLOW)),
  socket: bpf.load(
    bpf.argument(0),
    bpf.ifEqual(AF_UNIX, unixType, bpf.ifOneOf([AF_INET, AF_INET6], plainType, bpf.fail(EAFNOSUPPORT))),
  ),
  socketpair: bpf.load(bpf.argument(0), bpf.ifEqual(AF_UNIX, unixType, bpf.fail(EAFNOSUPPORT))),
  ioctl: bpf.load(bpf.argument(1), bpf.ifOneOf(REFUSED_IOCTLS, refuse, bpf.ALLOW)),
  personality: bpf.load(bpf.argument(0), bpf.ifOneOf(ALLOWED_PERSONALITIES, bpf.ALLOW, refuse)),
  mknod: noDevices(1),
  mknodat: noDevices(2),
};

/** The verdict on each call number of an architecture; a number that is not in the map does not exist. */
function verdicts(architecture: Architecture): [number, Block][] {
  const rules: [Syscall, Block][] = [
    ...allowed.map((name): [Syscall, Block] => [name, bpf.ALLOW]),
    ...refused.map((name): [Syscall, Block] => [name, refuse]),
    ...(Object.entries(conditional) as [Syscall, Block][]),
  ];
  return rules
    .flatMap(([name, block]): [number, Block][] => {
      const number = syscallNumber(name, architecture);
      return number === undefined ? [] : [[number, block]];
    })
    .sort(([a], [b]) => a - b);
}

/** Half-open ranges of call numbers with one verdict each, covering everything from 0. */
function ranges(architecture: Architecture): { from: number; block: Block }[] {
  const result: { from: number; block: Block }[] = [];
  const add = (from: number, block: Block): void => {
    if (result.at(-1)?.block !== block) result.push({ from, block });
  };
  let next = 0;
  for (const [number, block] of verdicts(architecture)) {
    if (number > next) add(next, absent);
    add(number, block);
    next = number + 1;
  }
  add(next, absent);
  return result;
}

/** A balanced tree of comparisons: about seven to a verdict, where a list would need two hundred. */
function tree(list: readonly { from: number; block: Block }[]): Block {
  const middle = list.length >> 1;
  const pivot = list[middle];
  if (pivot === undefined) return absent;
  return middle === 0 ? pivot.block : bpf.ifAtLeast(pivot.from, tree(list.slice(middle)), tree(list.slice(0, middle)));
}

/**
 * The filter that every process of a sandbox runs under, from its first instruction. An allow-list: what is not named
 * does not exist. A foreign ABI (i386, x32) kills, since the same number means another call there.
 */
export function sandboxFilter(architecture: Architecture): Block {
  const calls = tree(ranges(architecture));
  const native = architecture === 'x86_64' ? bpf.ifAtLeast(X32_BIT, bpf.KILL_PROCESS, calls) : calls;
  return bpf.load(
    bpf.ARCHITECTURE,
    bpf.ifEqual(auditArchitecture[architecture], bpf.load(bpf.SYSCALL_NUMBER, native), bpf.KILL_PROCESS),
  );
}
