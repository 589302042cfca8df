import { createHash } from 'node:crypto';
import {
  DeliverPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
  type StreamState,
} from '@nats-io/jetstream';
import type { Ledger } from '@writ/ledger';
import { streamName, type ServiceName } from '@writ/ledger/domain';
import { leafHash } from '../tree/hashing.js';
import type { CommitHash, Place } from './integrity.js';

const STREAM_NOT_FOUND = 10059;
/** What an error says where nobody leads the stream now. */
const UNAVAILABLE = 503;
/** After so long without a message the leader is asked for the next one. */
const SILENCE_MS = 3_000;
const NEWLINE = 10;

/** A commit as the broker has it now. */
export interface StoredCommit extends CommitHash {
  readonly body: Uint8Array;
}

/** State of the partition's stream; undefined where there is none. */
export async function streamState(ledger: Ledger, { service, partition }: Place): Promise<StreamState | undefined> {
  const manager = await jetstreamManager(ledger.nc, { checkAPI: false });
  try {
    return (await manager.streams.info(streamName(service, partition))).state;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/**
 * The commits that can be read, up to the last one that its leader has. Raw, without the ledger's own reader, which stops at the
 * first broken link: here all that is wrong is to be found. What does not come is not missing for that: the broker may be slow,
 * and a copy may lag behind. The leader is asked for it, and only what it does not have is left out.
 *
 * @param head the last commit that should be there; the leader of a cluster may need a moment until it has it
 * @throws Error where the leader gives no answer
 */
export async function* readStored(ledger: Ledger, place: Place, head: number): AsyncIterable<StoredCommit> {
  const last = await ledger.last(place.service as ServiceName, place.partition, head);
  const state = await streamState(ledger, place);
  if (state === undefined) return;
  const stream = streamName(place.service, place.partition);
  const manager = await jetstreamManager(ledger.nc, { checkAPI: false });
  for (let next = state.first_seq; next <= last;) {
    for await (const commit of delivered(ledger, stream, next, last)) {
      yield commit;
      next = commit.commit + 1;
    }
    for (let found = false; !found && next <= last; next++) {
      const commit = await held(manager, stream, next);
      found = commit !== undefined;
      if (commit) yield commit;
    }
  }
}

/** What a consumer brings, until the end of the stream or of our patience. */
async function* delivered(ledger: Ledger, stream: string, from: number, last: number): AsyncIterable<StoredCommit> {
  const start = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from };
  const consumer = await jetstream(ledger.nc).consumers.get(stream, start);
  const messages = await consumer.consume();
  const silence = setTimeout(() => messages.stop(), SILENCE_MS);
  try {
    for await (const message of messages) {
      silence.refresh();
      yield commitOf(message.seq, message.data);
      if (message.seq >= last || message.info.pending === 0) break;
    }
  } finally {
    clearTimeout(silence);
    await messages.close();
  }
}

/** One commit as the leader has it; undefined where it has none, or can no longer read it. */
async function held(manager: JetStreamManager, stream: string, seq: number): Promise<StoredCommit | undefined> {
  try {
    const message = await manager.streams.getMessage(stream, { seq });
    return message === null ? undefined : commitOf(seq, message.data);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status !== UNAVAILABLE) return undefined;
    throw error;
  }
}

function commitOf(commit: number, body: Uint8Array): StoredCommit {
  return { commit, hash: createHash('sha256').update(body).digest('hex'), body };
}

/** Hashes of the lines of a commit, as leaves. */
export function leavesOf(body: Uint8Array): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  for (let start = 0; start <= body.length;) {
    const end = body.indexOf(NEWLINE, start);
    leaves.push(leafHash(body.subarray(start, end < 0 ? body.length : end)));
    start = end < 0 ? body.length + 1 : end + 1;
  }
  return leaves;
}
