import { setTimeout as sleep } from 'node:timers/promises';
import type { Commit, Follower, Ledger, Logger } from '@writ/ledger';
import { formatPosition, partitionLabel, type LedgerEvent } from '@writ/ledger/domain';
import { everyPartition, formatCursor, type Cursor, type PartitionName } from './cursor.js';
import { matches, type EventFilter } from './filter.js';

/** Commits, and their bytes, that wait for one slow subscriber before it is sent back to reading the ledger. */
const MAX_WAITING = 1_000;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** Followed on behind the last subscriber: whoever was cut off comes back. */
const REST_MS = 30_000;

/** An event on its way to a subscriber. */
export interface Delivery {
  readonly event: LedgerEvent;
  /** `service/partition/commit/index`. */
  readonly position: string;
  /** Resumes behind this event. */
  readonly cursor: string;
}

interface Subscriber {
  waiting: { at: number; commit: Commit }[];
  waitingBytes: number;
  lagging: boolean;
  wake: () => void;
}

/** Of all partitions, from the first subscriber to a while after the last one. */
interface Following {
  readonly begun: Promise<void>;
  readonly followers: Follower[];
  readonly stopping: AbortController;
}

/**
 * Follows every partition once, whatever the number of subscribers, and none while there is no subscriber: each commit would
 * come here for nothing. Each subscriber reads the ledger from its cursor to
 * where the hub is, then takes live commits; one that is too slow is sent back to reading, so that it costs no memory.
 */
export class EventHub {
  private readonly heads: number[] = everyPartition.map(() => 0);
  private readonly subscribers = new Set<Subscriber>();
  private readonly broken = new Map<number, string>();
  private following: Following | undefined;
  private leaving: NodeJS.Timeout | undefined;

  constructor(
    private readonly ledger: Pick<Ledger, 'follow' | 'last' | 'read'>,
    private readonly log?: Logger,
  ) {}

  /** Stops following. Subscriptions end by their own signal. */
  async stop(): Promise<void> {
    const { following } = this;
    this.following = undefined;
    clearTimeout(this.leaving);
    following?.stopping.abort();
    this.broken.clear();
    await Promise.all(following?.followers.map((follower) => follower.stop()) ?? []);
  }

  /** How many subscriptions are open. */
  get subscriptions(): number {
    return this.subscribers.size;
  }

  /** Partitions whose live events do not arrive, and why; a chain that is broken stays so. */
  notFollowed(): { partition: string; why: string }[] {
    return [...this.broken].map(([at, why]) => ({ partition: nameOf(at), why }));
  }

  /** Where a subscriber stands that wants only what comes from now on. The ledger is asked: the hub may be a moment behind it. */
  async now(): Promise<Cursor> {
    const last = await Promise.all(
      everyPartition.map(({ service, partition }) => this.ledger.last(service, partition)),
    );
    return { commits: this.heads.map((head, at) => Math.max(head, last[at] ?? 0)) };
  }

  /** Events behind the cursor, oldest first as far as there is an order between partitions, then live, until aborted. */
  async *subscribe(from: Cursor, filter: EventFilter, signal: AbortSignal): AsyncGenerator<Delivery> {
    const seen = [...from.commits];
    const subscriber: Subscriber = { waiting: [], waitingBytes: 0, lagging: true, wake: () => {} };
    const onAbort = () => subscriber.wake();
    signal.addEventListener('abort', onAbort);
    this.subscribers.add(subscriber);
    try {
      await this.followed();
      if (from.within) yield* this.rest(from.within, seen, filter);
      while (!signal.aborted)
        for await (const { at, commit } of this.next(subscriber, seen, signal)) {
          yield* deliveries(at, commit, seen, filter);
          seen[at] = commit.commit;
        }
    } finally {
      this.subscribers.delete(subscriber);
      signal.removeEventListener('abort', onAbort);
      this.left();
    }
  }

  /** Of the commit that was cut first of all: a cursor has room for one place inside a commit, and what comes next may be of another partition. */
  private async *rest({ at, index }: NonNullable<Cursor['within']>, seen: number[], filter: EventFilter) {
    const { service, partition } = everyPartition[at] as PartitionName;
    const from = seen[at] ?? 0;
    for await (const commit of this.ledger.read(service, partition, { from, to: from + 1 })) {
      yield* deliveries(at, commit, seen, filter, index);
      seen[at] = commit.commit;
    }
  }

  /** @throws Error where the ledger does not answer */
  private followed(): Promise<void> {
    clearTimeout(this.leaving);
    if (this.following) return this.following.begun;
    const [followers, stopping]: [Follower[], AbortController] = [[], new AbortController()];
    const begun = Promise.all(
      everyPartition.map(async ({ service, partition }, at) => {
        this.heads[at] = await this.ledger.last(service, partition);
        void this.follow(at, followers, stopping.signal);
      }),
    ).then(() => {});
    begun.catch(() => this.stop()); // the next one tries again
    this.following = { begun, followers, stopping };
    return begun;
  }

  private left(): void {
    if (this.subscribers.size > 0 || !this.following) return;
    clearTimeout(this.leaving);
    this.leaving = setTimeout(() => void this.stop(), REST_MS).unref();
  }

  /** Reads until stopped. What fails is taken up again behind the last commit that was published. */
  private async follow(at: number, followers: Follower[], stopping: AbortSignal): Promise<void> {
    const { service, partition } = everyPartition[at] as PartitionName;
    for (let delayMs = 100; !stopping.aborted; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        const from = this.heads[at] as number;
        const onCommit = (commit: Commit) => (stopping.aborted ? undefined : this.publish(at, commit));
        const follower = await this.ledger.follow({ service, partition, from, onCommit });
        followers[at] = follower;
        if (stopping.aborted) return await follower.stop();
        this.broken.delete(at);
        await follower.closed;
      } catch (error) {
        if (stopping.aborted) return;
        this.broken.set(at, error instanceof Error ? error.message : String(error));
        this.log?.error({ err: error, partition: nameOf(at) }, 'the events of a partition cannot be followed');
        await sleep(delayMs, undefined, { signal: stopping }).catch(() => undefined);
      }
    }
  }

  private publish(at: number, commit: Commit): void {
    this.heads[at] = commit.commit;
    for (const subscriber of this.subscribers) {
      if (subscriber.waiting.length >= MAX_WAITING || subscriber.waitingBytes >= MAX_WAITING_BYTES) {
        take(subscriber);
        subscriber.lagging = true;
      }
      if (!subscriber.lagging) {
        subscriber.waiting.push({ at, commit });
        subscriber.waitingBytes += commit.bytes.length;
      }
      subscriber.wake();
    }
  }

  private async *next(subscriber: Subscriber, seen: readonly number[], signal: AbortSignal) {
    if (subscriber.lagging) {
      const to = [...this.heads];
      // From here on live commits gather, so that nothing falls between the reading and the listening.
      subscriber.lagging = false;
      yield* this.read(seen, to, signal);
      return;
    }
    if (subscriber.waiting.length === 0 && !signal.aborted) await new Promise<void>((wake) => (subscriber.wake = wake));
    for (const item of take(subscriber)) if (item.commit.commit > (seen[item.at] ?? 0)) yield item;
  }

  /** Commits of every partition in (from, to], merged by their time. */
  private async *read(from: readonly number[], to: readonly number[], signal: AbortSignal) {
    const readers = everyPartition.flatMap(({ service, partition }, at) => {
      const [low, high] = [from[at] ?? 0, to[at] ?? 0];
      if (low >= high) return [];
      const commits = this.ledger.read(service, partition, { from: low, to: high })[Symbol.asyncIterator]();
      return [{ at, commits }];
    });
    try {
      const fronts = await Promise.all(
        readers.map(async (reader) => ({ ...reader, front: await reader.commits.next() })),
      );
      while (!signal.aborted) {
        const first = fronts
          .filter(({ front }) => !front.done)
          .reduce<(typeof fronts)[number] | undefined>(
            (a, b) => (!a || b.front.value.time < a.front.value.time ? b : a),
            undefined,
          );
        if (!first) return;
        yield { at: first.at, commit: first.front.value as Commit };
        first.front = await first.commits.next();
      }
    } finally {
      await Promise.all(readers.map((reader) => reader.commits.return?.()));
    }
  }
}

/** Empties what waits. */
function take(subscriber: Subscriber): Subscriber['waiting'] {
  const { waiting } = subscriber;
  subscriber.waiting = [];
  subscriber.waitingBytes = 0;
  return waiting;
}

function nameOf(at: number): string {
  const { service, partition } = everyPartition[at] as PartitionName;
  return `${service}/${partitionLabel(partition)}`;
}

function* deliveries(
  at: number,
  commit: Commit,
  seen: readonly number[],
  filter: EventFilter,
  skip = -1,
): Generator<Delivery> {
  for (const [index, event] of commit.events.entries()) {
    if (index <= skip || !matches(event, filter)) continue;
    const last = index === commit.events.length - 1;
    const commits = last ? seen.with(at, commit.commit) : [...seen];
    const position = formatPosition({ ...commit, index });
    yield { event, position, cursor: formatCursor(last ? { commits } : { commits, within: { at, index } }) };
  }
}
