import type { Architecture } from '../seccomp/syscalls.js';

/*
 * The launcher is the one native program of the runner: an interpreter for a list of system calls, a few dozen
 * instructions long, assembled by hand because a host need not have a compiler. It reads a program (see `program.ts`) from
 * descriptor 3 and performs its calls in order. It links nothing, so no environment variable can reach into it.
 */

/** Where a program is loaded, and so what its addresses are relative to. */
export const PROGRAM_BASE = 0x10000000;
/** The most that a program with its data and its buffers may take. */
export const PROGRAM_MAX_BYTES = 0x800000;

/*
 *   load: read(3, end, room) until as many bytes are there as the first eight say; exit 125 when there are no more
 *   step: the call's number and six arguments into registers; the call
 *         failed (-4095..-1)? the result to BASE, the call's address to BASE+8, and on at call[9], or exit 125 if that is 0
 *         call[7] is an address? the result there, usually into an argument of a later call
 *         result > 0 and call[8] is an address? on there
 *   next: on at the next call, 80 bytes further
 */
const x86_64 = `
  bb00000010        mov ebx,0x10000000
  89dd              mov ebp,ebx
  31c0              load: xor eax,eax
  bf03000000        mov edi,0x3
  4889ee            mov rsi,rbp
  ba00008010        mov edx,0x10800000
  29ea              sub edx,ebp
  0f05              syscall
  4885c0            test rax,rax
  7e7b              jle quit
  4801c5            add rbp,rax
  4889e9            mov rcx,rbp
  4829d9            sub rcx,rbx
  4883f908          cmp rcx,0x8
  72d9              jb load
  483b0b            cmp rcx,[rbx]
  72d4              jb load
  4883c310          add rbx,0x10
  488b03            step: mov rax,[rbx]
  488b7b08          mov rdi,[rbx+0x8]
  488b7310          mov rsi,[rbx+0x10]
  488b5318          mov rdx,[rbx+0x18]
  4c8b5320          mov r10,[rbx+0x20]
  4c8b4328          mov r8,[rbx+0x28]
  4c8b4b30          mov r9,[rbx+0x30]
  0f05              syscall
  483d01f0ffff      cmp rax,0xfffffffffffff001
  7325              jae error
  488b4b38          mov rcx,[rbx+0x38]
  4885c9            test rcx,rcx
  7403              je nostore
  488901            mov [rcx],rax
  4885c0            nostore: test rax,rax
  7e0e              jle next
  488b4b40          mov rcx,[rbx+0x40]
  4885c9            test rcx,rcx
  7405              je next
  4889cb            mov rbx,rcx
  ebbc              jmp step
  4883c350          next: add rbx,0x50
  ebb6              jmp step
  4889042500000010  error: mov [0x10000000],rax
  48891c2508000010  mov [0x10000008],rbx
  488b5b48          mov rbx,[rbx+0x48]
  4885db            test rbx,rbx
  759d              jne step
  b8e7000000        quit: mov eax,0xe7
  bf7d000000        mov edi,0x7d
  0f05              syscall
`;

const aarch64 = `
  d2a20013          mov x19, #0x10000000
  d2a21015          mov x21, #0x10800000
  aa1303f4          mov x20, x19
  d2800060          load: mov x0, #0x3
  aa1403e1          mov x1, x20
  cb1402a2          sub x2, x21, x20
  d28007e8          mov x8, #0x3f
  d4000001          svc #0x0
  f100001f          cmp x0, #0x0
  540003ed          b.le quit
  8b000294          add x20, x20, x0
  cb130281          sub x1, x20, x19
  f100203f          cmp x1, #0x8
  54fffec3          b.cc load
  f9400262          ldr x2, [x19]
  eb02003f          cmp x1, x2
  54fffe63          b.cc load
  91004273          add x19, x19, #0x10
  f9400268          step: ldr x8, [x19]
  a9408660          ldp x0, x1, [x19, #8]
  a9418e62          ldp x2, x3, [x19, #24]
  a9429664          ldp x4, x5, [x19, #40]
  d4000001          svc #0x0
  b13ffc1f          cmn x0, #0xfff
  54000182          b.cs error
  f9401e69          ldr x9, [x19, #56]
  b4000049          cbz x9, nostore
  f9000120          str x0, [x9]
  f100001f          nostore: cmp x0, #0x0
  540000ad          b.le next
  f9402269          ldr x9, [x19, #64]
  b4000069          cbz x9, next
  aa0903f3          mov x19, x9
  17fffff1          b step
  91014273          next: add x19, x19, #0x50
  17ffffef          b step
  d2a20009          error: mov x9, #0x10000000
  a9004d20          stp x0, x19, [x9]
  f9402673          ldr x19, [x19, #72]
  b5fffd73          cbnz x19, step
  d2800fa0          quit: mov x0, #0x7d
  d2800bc8          mov x8, #0x5e
  d4000001          svc #0x0
`;

/** The first column of a listing: x86_64 as bytes in memory order, aarch64 as little-endian words. */
function machineCode(architecture: Architecture): Uint8Array {
  const listing = architecture === 'x86_64' ? x86_64 : aarch64;
  const columns = listing
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line.trim().split(/\s+/, 1)[0] ?? '', 'hex'));
  return Buffer.concat(architecture === 'x86_64' ? columns : columns.map((word) => word.reverse()));
}

const machines = { x86_64: 62, aarch64: 183 } as const; // EM_X86_64, EM_AARCH64
const TEXT_BASE = 0x400000;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;

/** The launcher as an executable. */
export function launcherImage(architecture: Architecture): Uint8Array {
  return executable(architecture, machineCode(architecture));
}

/** A static ELF executable: one segment with the code, one of zeroes for the program, no executable stack. */
export function executable(architecture: Architecture, code: Uint8Array): Uint8Array {
  const start = HEADER_BYTES + 3 * SEGMENT_BYTES;
  const image = Buffer.alloc(start + code.length);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  image.writeUInt16LE(2, 16); // ET_EXEC
  image.writeUInt16LE(machines[architecture], 18);
  image.writeUInt32LE(1, 20);
  image.writeBigUInt64LE(BigInt(TEXT_BASE + start), 24); // entry
  image.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // program headers
  image.writeUInt16LE(HEADER_BYTES, 52);
  image.writeUInt16LE(SEGMENT_BYTES, 54);
  image.writeUInt16LE(3, 56);
  segment(image, 0, { type: 1, flags: 5, address: TEXT_BASE, fileBytes: image.length, memoryBytes: image.length });
  segment(image, 1, { type: 1, flags: 6, address: PROGRAM_BASE, fileBytes: 0, memoryBytes: PROGRAM_MAX_BYTES });
  segment(image, 2, { type: 0x6474e551, flags: 6, address: 0, fileBytes: 0, memoryBytes: 0 }); // PT_GNU_STACK
  image.set(code, start);
  return image;
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

function segment(image: Buffer, index: number, { type, flags, address, fileBytes, memoryBytes }: Segment): void {
  const at = HEADER_BYTES + index * SEGMENT_BYTES;
  image.writeUInt32LE(type, at);
  image.writeUInt32LE(flags, at + 4);
  image.writeBigUInt64LE(BigInt(address), at + 16);
  image.writeBigUInt64LE(BigInt(address), at + 24);
  image.writeBigUInt64LE(BigInt(fileBytes), at + 32);
  image.writeBigUInt64LE(BigInt(memoryBytes), at + 40);
  image.writeBigUInt64LE(0x10000n, at + 48); // alignment: the largest page of aarch64
}
