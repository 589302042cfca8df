import { steadyNow } from '../clock.js';
import type { PartitionModel } from '../domain/aggregates.js';
import { newId } from '../domain/ids.js';
import { partitionLabel } from '../domain/partitioning.js';
import { append } from '../log/append.js';
import { chainStart } from '../log/chain.js';
import { LogCommit, type PartitionAddress } from '../log/commit.js';
import { CommitReader } from '../log/reader.js';
import type { LedgerSource } from '../source.js';
import { logEnd } from '../log/streams.js';
import { diskFull } from './disk-full.js';
import { encodeEvent } from './encode.js';
import type { Snapshots } from './snapshots.js';
import { PartitionState } from './state.js';

/** What a new owner writes first: from here on every other owner's commit is refused. */
export const claimedType = 'partition.claimed.v1';

export interface TakeOver {
  source: LedgerSource;
  address: PartitionAddress;
  replica: string;
  model: () => PartitionModel;
  snapshots?: Snapshots | undefined;
  signal: AbortSignal;
  warn(fields: object, message: string): void;
}

export interface Recovered {
  state: PartitionState;
  /** The commit of the snapshot that was used; 0: the log was read from its start. */
  snapshot: number;
  /** Events read from the log. */
  replayed: number;
  ms: number;
}

/**
 * Rebuilds a partition's state from its newest snapshot and the rest of the log, and claims it under a new epoch.
 * @throws ChainBroken @throws AbortError @throws DomainError `ledger.disk_full` @throws Error when the broker will not store the claim
 */
export async function takeOver(options: TakeOver): Promise<Recovered> {
  const started = performance.now();
  const { source, address, signal } = options;
  const last = await logEnd(source, address, 0, signal);
  const state = await fromSnapshot(options, last);
  const snapshot = state.commit;
  const before = state.events;
  // The snapshot's own commit is read once more: only its hash shows that the snapshot is of this log.
  const reader = new CommitReader(source, address, {
    from: Math.max(0, state.commit - 1),
    link: snapshot === 0 ? chainStart : undefined,
  });
  const stop = () => reader.close();
  signal.addEventListener('abort', stop);
  try {
    if (snapshot > 0) {
      const [own, ...rest] = await some(reader, signal);
      if (own?.hash !== state.hash) {
        options.warn({ ...address, commit: snapshot }, 'the snapshot is not of this log; it is not used');
        return await takeOver({ ...options, snapshots: undefined });
      }
      for (const commit of rest) state.replay(commit);
    }
    for (let end = last; ; end = await logEnd(source, address, 0, signal)) {
      if (end < state.commit) throw new Error(`the log ends at ${end}; it had ${state.commit} commits a moment ago`);
      while (state.commit < end) for (const commit of await some(reader, signal)) state.replay(commit);
      if (await claim(options, state)) break;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    reader.close();
  }
  return { state, snapshot, replayed: state.events - before, ms: performance.now() - started };
}

async function some(reader: CommitReader, signal: AbortSignal): Promise<readonly LogCommit[]> {
  const commits = await reader.next();
  signal.throwIfAborted();
  return commits as readonly LogCommit[];
}

async function fromSnapshot({ address, model, snapshots, warn }: TakeOver, last: number): Promise<PartitionState> {
  if (!snapshots) return new PartitionState(model());
  const state = new PartitionState(model());
  const reason = await snapshots.load(address, state);
  if (reason === undefined && state.commit <= last) return state;
  if (reason === undefined)
    warn({ ...address, snapshot: state.commit, last }, 'the broker lost commits: the log ends before the snapshot');
  else if (reason !== 'none') warn({ ...address, reason }, 'the snapshot is not used');
  return new PartitionState(model());
}

/** False when somebody else wrote meanwhile: read on, and try again. */
async function claim({ source, address, replica, signal }: TakeOver, state: PartitionState): Promise<boolean> {
  const epoch = state.epoch + 1;
  const label = `${address.service}/${partitionLabel(address.partition)}`;
  const timeMs = Math.max(steadyNow(), state.timeMs);
  const command = {
    id: newId('cmd'),
    tenant: 'system',
    aggregate: 'partition',
    subject: label,
    command: { type: 'claim' },
    actor: { principal: address.service, kind: 'service' as const },
    time: new Date(timeMs).toISOString(),
  };
  const { line } = encodeEvent({ type: claimedType, data: { epoch, replica } }, command, label);
  const bytes = Buffer.from(line);
  const fields = { commit: state.commit + 1, epoch, prev: state.hash, bytes, timeMs };
  const result = await append(source, { address, body: bytes, after: state.commit, epoch, prev: state.hash }, signal);
  if (result.outcome === 'deposed') return false;
  signal.throwIfAborted();
  if (result.outcome === 'full') throw diskFull(address, result.detail);
  if (result.outcome !== 'stored')
    throw new Error(`the claim was not stored: ${result.outcome === 'refused' ? result.detail : result.outcome}`);
  state.replay(new LogCommit(address, fields, source.upcast));
  return true;
}
