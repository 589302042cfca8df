import { createHash } from 'node:crypto';
import { jetstream, JetStreamApiError, jetstreamManager, type StreamState } from '@nats-io/jetstream';
import type { Ledger } from '@writ/ledger';
import { streamName } from '@writ/ledger/domain';
import { leafHash } from '../tree/hashing.js';
import type { CommitHash, Place } from './integrity.js';

const STREAM_NOT_FOUND = 10059;
/** After so long without a message the rest of a stream cannot be read. */
const SILENCE_MS = 3_000;
const NEWLINE = 10;

/** A commit as the broker has it now. */
export interface StoredCommit extends CommitHash {
  readonly body: Uint8Array;
}

/** State of the partition's stream; undefined where there is none. */
export async function streamState(ledger: Ledger, { service, partition }: Place): Promise<StreamState | undefined> {
  const manager = await jetstreamManager(ledger.nc);
  try {
    return (await manager.streams.info(streamName(service, partition))).state;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/**
 * The commits that can be read. Raw, without the ledger's own reader, which stops at the first broken link: here
 * all that is wrong is to be found.
 */
export async function* readStored(ledger: Ledger, place: Place): AsyncIterable<StoredCommit> {
  const state = await streamState(ledger, place);
  if (state === undefined || state.messages === 0) return;
  const consumer = await jetstream(ledger.nc).consumers.get(streamName(place.service, place.partition));
  const messages = await consumer.consume();
  const silence = setTimeout(() => messages.stop(), SILENCE_MS);
  try {
    for await (const message of messages) {
      silence.refresh();
      const hash = createHash('sha256').update(message.data).digest('hex');
      yield { commit: message.seq, hash, body: message.data };
      if (message.seq >= state.last_seq || message.info.pending === 0) break;
    }
  } finally {
    clearTimeout(silence);
    await messages.close();
  }
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
