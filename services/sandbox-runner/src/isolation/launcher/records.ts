import { PROGRAM_BASE } from './image.js';
import type { Argument, Data, Program } from './program.js';

/** What processes of the launcher say on their channel: 32 bytes each, four little-endian 64-bit numbers. */
export interface LauncherRecord {
  readonly kind: RecordKind;
  /** exited: the status of wait4; started: the process id; failed and refused: the negative errno. */
  readonly value: number;
  /** failed and refused: the address of the call. */
  readonly at: number;
  /** The frame that this is about. */
  readonly id: number;
}

export const recordKinds = { prepared: 1, ready: 2, started: 3, exited: 4, failed: 5, refused: 6 } as const;
export type RecordKind = keyof typeof recordKinds;
export const RECORD_BYTES = 32;
const kindNames = Object.keys(recordKinds) as RecordKind[];

/** Adds a call that writes a record, with the 16 bytes at `value`. */
export function record(program: Program, channel: number, kind: RecordKind, id: number, value?: Data): void {
  write(program, channel, kind, value ?? program.words(0, 0), id);
}

/** Adds the place where failing calls go: it says which call failed and why, and exits. */
export function failure(
  program: Program,
  channel: number,
  kind: 'failed' | 'refused',
  id: number,
): { index: number | undefined } {
  const place: { index: number | undefined } = { index: undefined };
  program.reach(place);
  program.onFailure(undefined);
  write(program, channel, kind, { address: PROGRAM_BASE }, id); // where the launcher leaves errno and address
  program.call('exit_group', 125);
  return place;
}

function write(program: Program, channel: number, kind: RecordKind, value: Argument, id: number): void {
  const parts = program.words(program.words(recordKinds[kind]), 8, value, 16, program.words(id), 8);
  program.call('writev', channel, parts, 3);
}

/** Decodes the whole records in front of `buffer`; the rest is for the next time. */
export function decodeRecords(buffer: Buffer): { records: LauncherRecord[]; rest: Buffer } {
  const records: LauncherRecord[] = [];
  let at = 0;
  for (; at + RECORD_BYTES <= buffer.length; at += RECORD_BYTES) {
    const kind = kindNames[Number(buffer.readBigUInt64LE(at)) - 1];
    if (kind === undefined) throw new Error('the launcher said something that is not a record');
    records.push({
      kind,
      value: Number(buffer.readBigInt64LE(at + 8)),
      at: Number(buffer.readBigUInt64LE(at + 16)),
      id: Number(buffer.readBigUInt64LE(at + 24)),
    });
  }
  return { records, rest: buffer.subarray(at) };
}
