import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { commitSubject, streamName } from '../domain/partitioning.js';
import type { PartitionAddress } from './commit.js';
import type { LedgerSource } from '../source.js';

/** Header names of a commit. */
export const epochHeader = 'Writ-Epoch';
export const prevHeader = 'Writ-Prev';
const expectedHeader = 'Nats-Expected-Last-Sequence';

const wrongLastSequence = 10071;
const ackTimeoutMs = 5_000;
/** In a cluster the one who should have answered may be gone, and another one may lead soon. */
const clusterAckTimeoutMs = 1_000;
const retryMs = 100;
/** What a broker says that has reached its limit: of the server or account (two codes), of the stream. */
const noRoom = new Set([10023, 10047, 10077]);
/** Of a stream that there is not: a publish that no stream stores, and that each which reads its mail refuses. */
const elsewhere = headers();
elsewhere.set('Nats-Expected-Stream', 'NONE');
/** How long a fenced commit may be neither there nor not there: it waits in the leader's queue. */
const appearMs = 30_000;

export interface Append {
  address: PartitionAddress;
  body: Uint8Array;
  /** The last commit its writer knows: the fence. */
  after: number;
  epoch: number;
  prev: string;
}

/**
 * `deposed`: another owner has written. `refused`: the broker will not store it. In neither case is it in the log.
 * `full`: it has no room; where not even that was `known`, it may still be stored later.
 * `closed`: given up with the outcome unknown, because the connection or the owner is gone.
 */
export type Appended =
  | { outcome: 'stored'; slow?: Slow }
  | { outcome: 'deposed' }
  | { outcome: 'refused'; detail: string }
  | { outcome: 'full'; detail: string; known: boolean }
  | { outcome: 'closed' };

/** What a commit met that was stored later than {@link slowMs}, in publishes: each kind says something else about the broker. */
export interface Slow {
  ms: number;
  /** It had no leader, or none that is known here. */
  leaderless: number;
  unanswered: number;
  /** Refused by the fence while it was not in the log: an earlier publish of it was still on its way to the majority. */
  fenced: number;
}
const slowMs = 2_000;

/**
 * Publishes a commit and finds out what became of it. When no answer comes, the same bytes are published again behind the
 * same fence: at most one of the two can be stored, and the log says which. So an unknown outcome never stays unknown
 * while the broker can be reached.
 */
export async function append(source: LedgerSource, commit: Append, signal: AbortSignal): Promise<Appended> {
  const subject = commitSubject(commit.address.service, commit.address.partition);
  const head = headers();
  head.set(expectedHeader, String(commit.after));
  head.set(epochHeader, String(commit.epoch));
  head.set(prevHeader, commit.prev);
  const begun = performance.now();
  const met = { leaderless: 0, unanswered: 0, fenced: 0 };
  const stored = (): Appended => {
    const ms = Math.round(performance.now() - begun);
    return ms < slowMs ? { outcome: 'stored' } : { outcome: 'stored', slow: { ms, ...met } };
  };
  for (const until = begun + appearMs; ;) {
    const answer = await publish(source, subject, commit.body, head, met.unanswered > 0);
    if (answer === 'none') met.leaderless++;
    else if (answer === 'timeout') met.unanswered++;
    else if (answer === 'dropped')
      return { outcome: 'full', detail: 'the stream reads what is sent to it and stores nothing', known: false };
    else if (answer.seq === commit.after + 1) return stored();
    else if (answer.error) {
      const { err_code: code = 0, description: detail } = answer.error;
      if (noRoom.has(code)) return { outcome: 'full', detail, known: true };
      if (code !== wrongLastSequence) return { outcome: 'refused', detail };
      const ours = await isOurs(source, commit);
      if (ours === 'absent' && (!source.replicated || performance.now() > until)) return { outcome: 'deposed' };
      if (typeof ours === 'boolean') return ours ? stored() : { outcome: 'deposed' };
      met.fenced++;
    } else if (answer.seq !== undefined)
      return { outcome: 'refused', detail: `stored as ${answer.seq} after ${commit.after}: the fence does not hold` };
    if (signal.aborted || source.nc.isClosed()) return { outcome: 'closed' };
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

interface PubAck {
  seq?: number;
  error?: { code: number; err_code?: number; description: string };
}

/**
 * `timeout`, `none`: nothing is known. `dropped`: a stream that could not write to its disk is frozen until the broker is restarted (2.14
 * and newer): it reads each publish, and answers those that it does not have to store. One of them is sent right behind ours
 * where an earlier one had no answer: a stream reads in order, so when only that one is answered, ours was read and
 * not stored. A broker that is slow, and a connection that breaks, answer neither. In a cluster whether it was read says nothing yet.
 */
async function publish(
  source: LedgerSource,
  subject: string,
  body: Uint8Array,
  head: MsgHdrs,
  doubted: boolean,
): Promise<PubAck | 'timeout' | 'none' | 'dropped'> {
  if (source.nc.isClosed()) return 'none';
  const patienceMs = source.replicated ? clusterAckTimeoutMs : ackTimeoutMs;
  const asked = source.requests.ask(subject, body, patienceMs, head);
  if (doubted && !source.replicated) {
    const behind = source.requests.ask(subject, new Uint8Array(), patienceMs, elsewhere);
    const first = await Promise.race([asked.then(() => 'ours'), behind.then((reply) => typeof reply)]);
    if (first === 'object') return 'dropped';
  }
  const reply = await asked;
  return typeof reply === 'string' ? reply : reply.json<PubAck>();
}

/**
 * Whether the commit behind the fence is the one we sent. Undefined: the broker did not say. `absent`: fenced, and nothing
 * there: another owner's log is shorter than ours, so ours was lost by the broker; or, in a cluster, what we sent before
 * is on its way to the majority.
 */
async function isOurs({ jsm }: LedgerSource, commit: Append): Promise<boolean | 'absent' | undefined> {
  const { service, partition } = commit.address;
  try {
    // Not a direct get: those may be answered by a replica that lags behind.
    const stored = await jsm.streams.getMessage(streamName(service, partition), { seq: commit.after + 1 });
    if (stored === null) return 'absent';
    return stored.header.get(epochHeader) === String(commit.epoch) && Buffer.compare(stored.data, commit.body) === 0;
  } catch {
    return undefined;
  }
}
