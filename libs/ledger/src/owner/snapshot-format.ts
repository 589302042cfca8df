import type { Json } from '../domain/events.js';
import { entryBytes } from './dedup.js';
import type { PartitionState } from './state.js';

/** Of the layout below; a snapshot of another one is not read. */
const format = 2;
const rowsPerLine = 500;
const bytesPerChunk = 128 * 1024;
/** What is parsed before others get a turn. */
const bytesAtOnce = 1024 * 1024;

/** What a snapshot says of itself; without `modelVersion` of today it is worthless. */
export interface SnapshotHeader {
  format: number;
  modelVersion: number;
  commit: number;
  /** Of that commit: ties the snapshot to this log. */
  hash: string;
  epoch: number;
  timeMs: number;
  events: number;
}

/** A state at a commit boundary, cheap to take; encoding it is the slow part and comes later. */
export interface Captured {
  header: SnapshotHeader;
  seen: Uint8Array;
  model: Json;
}

export function capture(state: PartitionState, at: { commit: number; hash: string; epoch: number }): Captured {
  const header = { ...at, format, modelVersion: state.model.version, timeMs: state.timeMs, events: state.events };
  return { header, seen: state.seen.snapshot(), model: state.model.snapshot() };
}

type Line =
  | { part: 'header'; value: SnapshotHeader }
  /** Remembered commands, base64. */
  | { part: 'seen'; value: string }
  /** Rows of one array of the model; the model is rebuilt from all of them. */
  | { part: 'rows'; key: string; value: Json[] }
  /** Anything else at the top of the model. */
  | { part: 'value'; key: string; value: Json }
  | { part: 'whole'; value: Json };

function* lines({ header, seen, model }: Captured): Generator<Line> {
  yield { part: 'header', value: header };
  const bytes = rowsPerLine * entryBytes;
  for (let at = 0; at < seen.length; at += bytes)
    yield { part: 'seen', value: Buffer.from(seen.subarray(at, at + bytes)).toString('base64') };
  if (model === null || typeof model !== 'object' || Array.isArray(model)) return yield { part: 'whole', value: model };
  for (const [key, value] of Object.entries(model)) {
    if (!Array.isArray(value) || value.length === 0) yield { part: 'value', key, value };
    else
      for (let at = 0; at < value.length; at += rowsPerLine)
        yield { part: 'rows', key, value: value.slice(at, at + rowsPerLine) };
  }
}

/** NDJSON in chunks; lets other work happen between them, so that a large state does not hold the commands up. */
export async function* encodeSnapshot(captured: Captured): AsyncGenerator<Uint8Array> {
  let chunk = '';
  for (const line of lines(captured)) {
    chunk += `${JSON.stringify(line)}\n`;
    if (chunk.length < bytesPerChunk) continue;
    yield Buffer.from(chunk);
    chunk = '';
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (chunk) yield Buffer.from(chunk);
}

/**
 * Fills an empty state, with pauses: other partitions are served meanwhile.
 * @throws when the bytes are not a snapshot of this format and of this version of the model
 */
export async function restoreSnapshot(bytes: Uint8Array, state: PartitionState): Promise<void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const model = new Map<string, Json>();
  let whole: Json | undefined;
  let header: SnapshotHeader | undefined;
  let pausedAt = 0;
  for (let start = 0, end = buffer.indexOf(10); end !== -1; start = end + 1, end = buffer.indexOf(10, start)) {
    if (start - pausedAt > bytesAtOnce) {
      pausedAt = start;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const line = JSON.parse(buffer.toString('utf8', start, end)) as Line;
    if (line.part === 'header') header = checked(line.value, state.model.version);
    else if (line.part === 'seen') state.seen.restore(Buffer.from(line.value, 'base64'));
    else if (line.part === 'whole') whole = line.value;
    else if (line.part === 'value') model.set(line.key, line.value);
    else append(model, line.key, line.value);
  }
  if (!header) throw new Error('the snapshot has no header');
  state.model.restore(whole === undefined ? Object.fromEntries(model) : whole);
  state.commit = header.commit;
  state.hash = header.hash;
  state.epoch = header.epoch;
  state.timeMs = header.timeMs;
  state.events = header.events;
}

function append(model: Map<string, Json>, key: string, rows: readonly Json[]): void {
  const before = model.get(key) as Json[] | undefined;
  if (!before) model.set(key, [...rows]);
  else for (const row of rows) before.push(row);
}

function checked(header: SnapshotHeader, modelVersion: number): SnapshotHeader {
  if (header.format !== format || header.modelVersion !== modelVersion)
    throw new Error(`the snapshot is of format ${header.format} and model ${header.modelVersion}`);
  return header;
}
