/** What a producer said last (Durable Streams, idempotent producers). */
export type ProducerState = readonly [epoch: number, seq: number];

/** A stretch of another stream that this one begins with: all of it up to a record. */
export interface Inherited {
  readonly subject: string;
  readonly upto: number;
}

/**
 * All that is true of a stream after one of its records. Every record carries it, so whoever has the newest record needs no other to write the
 * next one, and a stream that lost its oldest records to the limits of its space is still whole.
 */
export interface StreamState {
  /** Media type, as it was given. */
  readonly type: string;
  readonly createdMs: number;
  /** Sequence of the newest record with data; absent where this is the one. */
  readonly tail?: number;
  readonly closed?: true;
  /** The close, as its producer named it: a repeat of it is no second one. */
  readonly closedBy?: readonly [id: string, epoch: number, seq: number];
  readonly ttlSeconds?: number;
  /** RFC 3339, as it was given. */
  readonly expiresAt?: string;
  /** Of a stream with a TTL: when it was last read or written. */
  readonly touchedMs?: number;
  /** Largest `Stream-Seq` so far. */
  readonly seq?: string;
  readonly producers?: Readonly<Record<string, ProducerState>>;
  readonly from?: readonly Inherited[];
  /** Where it was forked, as it was asked for: a repeat is no second fork. */
  readonly fork?: { readonly source: string; readonly asked: string };
  /** Streams that begin with this one. */
  readonly forks?: number;
  /** Deleted while others begin with it: its data stays, and nobody finds it. */
  readonly gone?: true;
  /** Deleted, or never there. */
  readonly deleted?: true;
  /** What its writer has to know besides. */
  readonly writer?: unknown;
}

/** A record of a stream, as it is stored. */
export interface StreamRecord {
  /** Its sequence at the broker: greater than all before it, in every stream of the space. */
  readonly seq: number;
  readonly state: StreamState;
  /** Empty where only the state changed. */
  readonly data: Uint8Array;
}

const newline = 10;

/** The state as one line of JSON, then the data. */
export function encodeRecord(state: StreamState, data: Uint8Array): Uint8Array {
  const head = Buffer.from(JSON.stringify(state));
  const body = Buffer.allocUnsafe(head.length + 1 + data.length);
  body.set(head);
  body[head.length] = newline;
  body.set(data, head.length + 1);
  return body;
}

/** @throws SyntaxError for what {@link encodeRecord} did not write */
export function decodeRecord(seq: number, body: Uint8Array): StreamRecord {
  const end = body.indexOf(newline);
  const state = JSON.parse(Buffer.from(body.buffer, body.byteOffset, end).toString()) as StreamState;
  return { seq, state, data: body.subarray(end + 1) };
}

/** Whether a record moves the stream's tail; those that only change its state do not. */
export const hasData = ({ state }: StreamRecord): boolean => state.tail === undefined;

/** The sequence behind which the next data will be. */
export const tailOf = ({ seq, state }: StreamRecord): number => state.tail ?? seq;
