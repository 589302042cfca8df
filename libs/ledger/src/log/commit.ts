import type { LedgerEvent } from '../domain/events.js';
import type { ServiceName } from '../domain/partitioning.js';
import type { Upcast } from '../domain/upcasters.js';
import { hashOf } from './chain.js';

/** One message of the log. Its `lines` and `events` are cut and parsed on first use: who needs only bytes pays only for bytes. */
export interface Commit {
  readonly service: ServiceName;
  readonly partition: number;
  /** The stream sequence, from 1, without gaps. */
  readonly commit: number;
  /** The claim under which it was written. */
  readonly epoch: number;
  /** SHA-256 (hex) of the body of the commit before; 64 zeros for the first. */
  readonly prev: string;
  /** The body as it was written: NDJSON, one event a line, no line feed at the end. */
  readonly bytes: Uint8Array;
  /** One event a line, as it was written: what the audit tree hashes. */
  readonly lines: readonly Uint8Array[];
  /** Parsed, and brought to today's versions by the upcasters. Read only. */
  readonly events: readonly LedgerEvent[];
  /** SHA-256 (hex) of `bytes`: what the next commit names as its `prev`. */
  readonly hash: string;
  /** When the broker stored it; for a commit of this process, when it was acknowledged. */
  readonly time: Date;
}

/** Which partition a commit is of. */
export interface PartitionAddress {
  readonly service: ServiceName;
  readonly partition: number;
}

export interface CommitFields {
  commit: number;
  epoch: number;
  prev: string;
  bytes: Uint8Array;
  timeMs: number;
  /** Where it is known already. */
  hash?: string;
  /** Where the owner has them already. */
  events?: readonly LedgerEvent[];
}

const lineFeed = 0x0a;

export class LogCommit implements Commit {
  readonly service: ServiceName;
  readonly partition: number;
  readonly commit: number;
  readonly epoch: number;
  readonly prev: string;
  readonly bytes: Uint8Array;
  private readonly timeMs: number;
  private readonly upcast: Upcast;
  private cut: readonly Uint8Array[] | undefined;
  private parsed: readonly LedgerEvent[] | undefined;
  private hashed: string | undefined;

  constructor(address: PartitionAddress, fields: CommitFields, upcast: Upcast) {
    this.service = address.service;
    this.partition = address.partition;
    this.commit = fields.commit;
    this.epoch = fields.epoch;
    this.prev = fields.prev;
    this.bytes = fields.bytes;
    this.timeMs = fields.timeMs;
    this.parsed = fields.events;
    this.hashed = fields.hash;
    this.upcast = upcast;
  }

  get lines(): readonly Uint8Array[] {
    return (this.cut ??= cutLines(this.bytes));
  }

  get events(): readonly LedgerEvent[] {
    return (this.parsed ??= parseBody(this.bytes).map(this.upcast));
  }

  get hash(): string {
    return (this.hashed ??= hashOf(this.bytes));
  }

  get time(): Date {
    return new Date(this.timeMs);
  }
}

/** JSON escapes a line feed inside a string, so every raw one ends an event. */
function cutLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  lines.push(bytes.subarray(start));
  return lines;
}

/** One parse for the whole body is half as dear as one for each line. */
function parseBody(bytes: Uint8Array): LedgerEvent[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return JSON.parse(`[${text.replaceAll('\n', ',')}]`) as LedgerEvent[];
}
