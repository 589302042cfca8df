/**
 * The classic BPF of seccomp, as far as a filter needs it: `struct sock_filter` of `<linux/filter.h>` over
 * `struct seccomp_data` of `<linux/seccomp.h>`.
 */

/** One `struct sock_filter`. Jumps are relative to the next instruction and only go forward. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A sequence of instructions that always ends in a return, so blocks compose without labels. */
export type Block = readonly Instruction[];

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER_OR_EQUAL = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** Offsets in `struct seccomp_data`. */
export const SYSCALL_NUMBER = 0;
export const ARCHITECTURE = 4;
/** The low 32 bits of an argument. The kernel reads `int` arguments from these alone, so a check must too. */
export const argument = (index: 0 | 1 | 2 | 3 | 4 | 5): number => 16 + 8 * index;

export const ALLOW: Block = [{ code: RETURN, jt: 0, jf: 0, k: 0x7fff0000 }];
export const KILL_PROCESS: Block = [{ code: RETURN, jt: 0, jf: 0, k: 0x80000000 }];
/** The call does not happen and fails with this errno. */
export const fail = (errno: number): Block => [{ code: RETURN, jt: 0, jf: 0, k: 0x00050000 | errno }];

/** Loads a word of `seccomp_data` for the comparisons of `rest`. */
export const load = (offset: number, rest: Block): Block => [{ code: LOAD_WORD, jt: 0, jf: 0, k: offset }, ...rest];
/** Keeps the bits of `mask` of the loaded word. */
export const masked = (mask: number, rest: Block): Block => [{ code: AND, jt: 0, jf: 0, k: mask }, ...rest];

export const ifEqual = (value: number, then: Block, otherwise: Block): Block =>
  branch(JUMP_EQUAL, value, then, otherwise);
export const ifAtLeast = (value: number, then: Block, otherwise: Block): Block =>
  branch(JUMP_GREATER_OR_EQUAL, value, then, otherwise);
export const ifAnyBit = (mask: number, then: Block, otherwise: Block): Block =>
  branch(JUMP_ANY_BIT, mask, then, otherwise);
/** `then` where the loaded word is one of `values`. */
export const ifOneOf = (values: readonly number[], then: Block, otherwise: Block): Block =>
  values.reduceRight((rest, value) => ifEqual(value, then, rest), otherwise);

/** A conditional jump reaches 255 instructions; beyond that it steps over an unconditional one, which reaches 2^32. */
function branch(code: number, k: number, then: Block, otherwise: Block): Block {
  const near = otherwise.length <= 255;
  return near
    ? [{ code, jt: otherwise.length, jf: 0, k }, ...otherwise, ...then]
    : [{ code, jt: 0, jf: 1, k }, { code: JUMP, jt: 0, jf: 0, k: otherwise.length }, ...otherwise, ...then];
}

/** The bytes that the kernel and `bwrap --seccomp` take: eight a instruction, little-endian. */
export function encode(program: Block): Uint8Array {
  if (program.length > 4096) throw new RangeError(`a filter has at most 4096 instructions, this has ${program.length}`);
  const bytes = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(({ code, jt, jf, k }, index) => {
    bytes.setUint16(index * 8, code, true);
    bytes.setUint8(index * 8 + 2, jt);
    bytes.setUint8(index * 8 + 3, jf);
    bytes.setUint32(index * 8 + 4, k >>> 0, true);
  });
  return new Uint8Array(bytes.buffer);
}
