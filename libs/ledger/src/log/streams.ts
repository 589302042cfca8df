import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { setTimeout as sleep } from 'node:timers/promises';
import { commitSubject, streamName } from '../domain/partitioning.js';
import type { LedgerSource } from '../source.js';
import type { PartitionAddress } from './commit.js';

/** Followers, audit and recovery read a partition with a consumer each; 2.15 would cap a stream that does not say at 1,000. */
const maxConsumers = 4096;
/**
 * A leader that was paused or cut off does not know yet that there is another one. Followers wait 4 s for a word from their
 * leader before they elect, and it says one each second: whoever was in contact with most of them later than this leads.
 */
const contactNs = 2.5e9;
const takeInMs = 10_000;
const takeInStepMs = 100;
const askAgainMs = 400;
export const streamNotFound = 10059;
const streamExists = 10058;

/** A partition's stream: it only grows. */
export function streamConfig(address: PartitionAddress, replicas: number): Partial<StreamConfig> & { name: string } {
  return {
    name: streamName(address.service, address.partition),
    subjects: [commitSubject(address.service, address.partition)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_consumers: maxConsumers,
    num_replicas: replicas,
  };
}

/** Makes the stream where it is missing. @throws Error when there is one that could lose commits. */
export async function ensureStream(jsm: JetStreamManager, address: PartitionAddress, replicas: number): Promise<void> {
  const wanted = streamConfig(address, replicas);
  let config = await existing(jsm, wanted.name);
  if (!config) {
    try {
      ({ config } = await jsm.streams.add(wanted));
    } catch (error) {
      // Another replica was faster.
      if (!isApiError(error, streamExists)) throw error;
      config = await existing(jsm, wanted.name);
    }
  }
  const unsafe = config ? unsafeParts(config, wanted) : ['it vanished'];
  if (unsafe.length > 0) throw new Error(`stream ${wanted.name} is not a ledger's: ${unsafe.join(', ')}`);
}

async function existing(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (error) {
    if (isApiError(error, streamNotFound)) return undefined;
    throw error;
  }
}

/** Limits and denials may be set by an operator later, and only a check notices: the server is not trusted alone. */
function unsafeParts(config: StreamConfig, wanted: Partial<StreamConfig>): string[] {
  const found: string[] = [];
  if (config.storage !== wanted.storage) found.push(`storage is ${config.storage}`);
  if (config.retention !== wanted.retention) found.push(`retention is ${config.retention}`);
  if (config.discard !== wanted.discard) found.push(`discard is ${config.discard}`);
  if (!config.deny_delete) found.push('messages can be deleted');
  if (!config.deny_purge) found.push('it can be purged');
  if (config.max_age > 0) found.push('messages expire');
  if (config.subjects?.length !== 1 || config.subjects[0] !== wanted.subjects?.[0])
    found.push(`its subjects are ${config.subjects?.join(' ')}`);
  return found;
}

/**
 * The last commit of a partition; 0 when it is empty or was never made.
 * @throws Error when who tells it is not sure to be the stream's leader any more
 */
export async function lastCommit(jsm: JetStreamManager, address: PartitionAddress): Promise<number> {
  try {
    const { state, cluster } = await jsm.streams.info(streamName(address.service, address.partition));
    const copies = cluster?.replicas ?? [];
    const near = copies.filter(({ offline, active }) => !offline && active < contactNs).length + 1;
    if (2 * near <= copies.length + 1) throw new Error('the stream has no majority now');
    return state.last_seq;
  } catch (error) {
    if (isApiError(error, streamNotFound)) return 0;
    throw error;
  }
}

/**
 * The same, for a caller who has seen commit `seen`: in a cluster there may be no leader for a moment, and a new one needs another
 * until it has taken in all that was acknowledged. What is still missing after that is lost.
 */
export async function logEnd(
  { jsm, replicated }: LedgerSource,
  address: PartitionAddress,
  seen: number,
  signal?: AbortSignal,
): Promise<number> {
  if (!replicated) return lastCommit(jsm, address);
  const asked = new Set<Promise<number>>();
  for (const until = performance.now() + takeInMs; ; await sleep(takeInStepMs))
    try {
      const last = await firstAnswer(asked, () => lastCommit(jsm, address));
      if (last >= seen || performance.now() >= until) return last;
    } catch (error) {
      signal?.throwIfAborted();
      if (performance.now() >= until) throw error;
    }
}

/** What came while nobody led is never answered, so it is soon asked again; who is only slow still has their time. */
async function firstAnswer(asked: Set<Promise<number>>, ask: () => Promise<number>): Promise<number> {
  const question = ask();
  asked.add(question);
  question.catch(() => undefined).finally(() => asked.delete(question));
  const soon = new AbortController();
  const again = sleep(askAgainMs, undefined, { signal: soon.signal }).then(() => {
    throw new Error('nobody leads the stream now');
  });
  try {
    return await Promise.race([...asked, again]);
  } finally {
    soon.abort();
  }
}

export function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
