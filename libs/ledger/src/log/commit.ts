import type { LedgerEvent } from '../domain/events.js';
import type { ServiceName } from '../domain/partitioning.js';

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
  /** When the broker stored it. */
  readonly time: Date;
}
