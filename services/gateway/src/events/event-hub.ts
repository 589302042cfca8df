import type { Commit, Follower, Ledger } from '@writ/ledger';
import { everyPartition, formatCursor, type Cursor } from './cursor.js';
import { matches, type EventFilter } from './filter.js';
import type { LedgerEvent } from '@writ/ledger/domain';

/** Commits that wait for one slow subscriber before it is sent back to reading the ledger. */
const MAX_WAITING = 1_000;

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
  lagging: boolean;
  wake: () => void;
}

/**
 * Follows every partition once, whatever the number of subscribers. Each subscriber reads the ledger from its cursor to
 * where the hub is, then takes live commits; one that is too slow is sent back to reading, so that it costs no memory.
 */
export class EventHub {
  private readonly heads: number[] = everyPartition.map(() => 0);
  private readonly subscribers = new Set<Subscriber>();
  private followers: Follower[] = [];

  constructor(private readonly ledger: Ledger) {}

  /** Starts to follow, from the end of each partition. */
  async start(): Promise<void> {
    this.followers = await Promise.all(
      everyPartition.map(async ({ service, partition }, at) => {
        const from = await this.ledger.last(service, partition);
        this.heads[at] = from;
        return this.ledger.follow({ service, partition, from, onCommit: (commit) => this.publish(at, commit) });
      }),
    );
  }

  /** Stops following and ends every subscription. */
  async stop(): Promise<void> {
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  /** Where a subscriber stands that wants only what comes from now on. */
  now(): Cursor {
    return { commits: [...this.heads] };
  }

  /** Events behind the cursor, oldest first as far as there is an order between partitions, then live, until aborted. */
  async *subscribe(from: Cursor, filter: EventFilter, signal: AbortSignal): AsyncGenerator<Delivery> {
    const seen = [...from.commits];
    const subscriber: Subscriber = { waiting: [], lagging: true, wake: () => {} };
    const onAbort = () => subscriber.wake();
    signal.addEventListener('abort', onAbort);
    this.subscribers.add(subscriber);
    try {
      while (!signal.aborted) {
        for await (const { at, commit } of this.next(subscriber, seen, signal)) {
          const skip = from.within?.at === at && commit.commit === (from.commits[at] ?? 0) + 1 ? from.within.index : -1;
          yield* deliveries(at, commit, seen, filter, skip);
          seen[at] = commit.commit;
        }
      }
    } finally {
      this.subscribers.delete(subscriber);
      signal.removeEventListener('abort', onAbort);
    }
  }

  private publish(at: number, commit: Commit): void {
    this.heads[at] = commit.commit;
    for (const subscriber of this.subscribers) {
      if (subscriber.waiting.length >= MAX_WAITING) {
        subscriber.waiting = [];
        subscriber.lagging = true;
      }
      if (!subscriber.lagging) subscriber.waiting.push({ at, commit });
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
    for (const item of subscriber.waiting.splice(0)) if (item.commit.commit > (seen[item.at] ?? 0)) yield item;
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

function* deliveries(
  at: number,
  commit: Commit,
  seen: readonly number[],
  filter: EventFilter,
  skip: number,
): Generator<Delivery> {
  for (const [index, event] of commit.events.entries()) {
    if (index <= skip || !matches(event, filter)) continue;
    const last = index === commit.events.length - 1;
    const commits = last ? seen.with(at, commit.commit) : [...seen];
    const position = `${commit.service}/${String(commit.partition).padStart(2, '0')}/${commit.commit}/${index}`;
    yield { event, position, cursor: formatCursor(last ? { commits } : { commits, within: { at, index } }) };
  }
}
