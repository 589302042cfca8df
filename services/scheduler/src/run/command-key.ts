import type { CommandKind } from './run.events.js';

const kinds: readonly CommandKind[] = [
  'step', 'call', 'sleep', 'message', 'approval', 'child', 'result', 'emit', 'patch', 'update', 'loop', 'set',
]; // prettier-ignore
/** Room for so many: a key is then as large as a double holds exactly. */
const mostKinds = 16;
const numbers = Object.fromEntries(kinds.map((kind, index) => [kind, index])) as Record<CommandKind, number>;

/**
 * A command's name and occurrence in 49 bits, shifted left by four, plus its kind: an integer that a double holds
 * exactly, so that the recorded commands of a run cost eight bytes each. Two commands of a run of 10,000 share one
 * with a probability of 1e-7; the run would then pause, not go wrong.
 */
export function keyOf(kind: CommandKind, name: string, occurrence: number): number {
  let a = 0x811c9dc5 ^ occurrence;
  let b = 0x01000193 + occurrence;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b) ^ (b >>> 13);
  }
  a ^= a >>> 15;
  return ((a >>> 0) * 0x20000 + ((b >>> 7) & 0x1ffff)) * mostKinds + numbers[kind];
}

/** The kind of the recorded command with this name and occurrence, if there is one. */
export function recordedKind(done: readonly number[], key: number): CommandKind | undefined {
  const base = key - (key % mostKinds);
  // Newest first: what is asked for twice was nearly always recorded last.
  for (let i = done.length - 1; i >= 0; i--) {
    const other = done[i] as number;
    if (other - (other % mostKinds) === base) return kinds[other % mostKinds];
  }
  return undefined;
}
