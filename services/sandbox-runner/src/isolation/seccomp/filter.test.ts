import { describe, expect, test } from '@jest/globals';
import { encode, type Block } from './bpf.js';
import { sandboxFilter } from './filter.js';
import { syscallNames, syscallNumber, type Architecture, type Syscall } from './syscalls.js';

const audit = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
const i386 = 0x40000003;

/** Runs a filter as the kernel would and names its verdict. */
function run(program: Block, data: { number: number; audit: number; args?: readonly bigint[] }): string {
  const packet = new DataView(new ArrayBuffer(64));
  packet.setUint32(0, data.number, true);
  packet.setUint32(4, data.audit, true);
  data.args?.forEach((value, index) => packet.setBigUint64(16 + index * 8, value, true));
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at]!;
    if (code === 0x20) accumulator = packet.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x45) at += (accumulator & k) !== 0 ? jt : jf;
    else if (code === 0x06) return k === 0x7fff0000 ? 'allow' : k === 0x80000000 ? 'kill' : `errno ${k & 0xffff}`;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the filter ran off its end');
}

describe.each(['x86_64', 'aarch64'] as const)('the filter for %s', (architecture: Architecture) => {
  const program = sandboxFilter(architecture);
  const call = (name: Syscall, ...args: (number | bigint)[]): string =>
    run(program, { number: syscallNumber(name, architecture)!, audit: audit[architecture], args: args.map(BigInt) });

  test('fits the kernel: at most 4096 instructions, jumps inside the program', () => {
    expect(encode(program).length).toBe(program.length * 8);
    program.forEach(({ code, jt, jf, k }, at) => {
      if (code === 0x05) expect(at + 1 + k).toBeLessThan(program.length);
      else expect(at + 1 + Math.max(jt, jf)).toBeLessThanOrEqual(program.length);
      expect(Math.max(jt, jf)).toBeLessThanOrEqual(255);
    });
  });

  test('a foreign ABI kills', () => {
    expect(run(program, { number: 1, audit: i386 })).toBe('kill');
    if (architecture === 'x86_64') {
      expect(run(program, { number: 0x40000000, audit: audit.x86_64 })).toBe('kill');
      expect(run(program, { number: 0xffffffff, audit: audit.x86_64 })).toBe('kill');
    }
  });

  test('calls that the file does not name do not exist', () => {
    const known = new Set(syscallNames.map((name) => syscallNumber(name, architecture)));
    for (let number = 0; number < 1000; number++) {
      const verdict = run(program, { number, audit: audit[architecture] });
      if (!known.has(number)) expect(verdict).toBe('errno 38');
    }
  });

  test.each([
    'unshare',
    'setns',
    'mount',
    'ptrace',
    'process_vm_readv',
    'io_uring_setup',
    'keyctl',
    'add_key',
    'bpf',
  ] as const)('%s is refused', (name) => expect(call(name)).toBe('errno 1'));

  test.each(['read', 'openat', 'execve', 'futex', 'epoll_pwait', 'getrandom', 'statx', 'wait4', 'rseq'] as const)(
    '%s is allowed',
    (name) => expect(call(name)).toBe('allow'),
  );

  test('a process may be cloned, a namespace may not', () => {
    expect(call('clone', 0x11)).toBe('allow');
    expect(call('clone', 0x3d0f00)).toBe('allow'); // what pthread_create passes
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
      expect(call('clone', flag | 0x11)).toBe('errno 1');
    expect(call('clone3')).toBe('errno 38');
  });

  test('only unix and plain internet sockets exist', () => {
    expect(call('socket', 1, 1 | 0x80000, 0)).toBe('allow');
    expect(call('socket', 1, 5, 0)).toBe('allow');
    expect(call('socket', 2, 1, 6)).toBe('allow');
    expect(call('socket', 10, 2, 17)).toBe('allow');
    expect(call('socket', 2, 3, 1)).toBe('errno 93'); // SOCK_RAW
    expect(call('socket', 2, 2, 1)).toBe('errno 93'); // ICMP
    expect(call('socket', 2, 1, 262)).toBe('errno 93'); // MPTCP
    for (const family of [0, 3, 9, 16, 17, 21, 29, 31, 38, 40, 44])
      expect(call('socket', family, 1, 0)).toBe('errno 97');
    expect(call('socketpair', 2, 1, 0)).toBe('errno 97');
  });

  test('terminal injection is refused whatever the high bits say', () => {
    for (const request of [0x5412, 0x541c, 0x5423]) {
      expect(call('ioctl', 0, request)).toBe('errno 1');
      expect(call('ioctl', 0, BigInt(request) | (1n << 40n))).toBe('errno 1');
    }
    expect(call('ioctl', 0, 0x5401)).toBe('allow');
  });

  test('pipes may be made, devices may not', () => {
    expect(call('mknodat', 0, 0, 0o010666)).toBe('allow');
    expect(call('mknodat', 0, 0, 0o020666)).toBe('errno 1');
    expect(call('mknodat', 0, 0, 0o060666)).toBe('errno 1');
  });
});
