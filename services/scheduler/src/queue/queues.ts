import { partitionOf, partitionsOf, refuse, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { canonicalJson } from '@writ/enforcement';
import type { RunRecord } from '../run/run-record.js';
import type { Limits, QueueEvent, QueueEventData, Ticket } from './queue.events.js';

/** Raise it when the shape of the snapshot, or what is made of events, changes. */
export const queuesVersion = 2;

/** What a run of a queue with limits has of it. All fields always exist. */
export interface Holding {
  readonly key: string | undefined;
  readonly cost: number;
  readonly priority: number;
  /** It was let go on once: its key is its own until it ends. */
  admitted: boolean;
  /** It goes on, and counts. */
  slot: boolean;
  /** Since when it has not had the slot that it needs. */
  sinceMs: number;
  /** Not recorded: that it gave its slot back is not in the ledger yet. */
  giving: boolean;
}

/** A queue as a partition knows it. */
export interface Queue {
  readonly tenant: string;
  readonly name: string;
  readonly revision: number;
  readonly limits: Limits;
  /** Of the owner of its home that runs of this partition get their slots from; 0 before they asked for any. */
  readonly epoch: number;
}

/** Until when what was let go on takes up a rate: of the whole queue (no key), and of each key. */
type Spent = Map<string, number>;

/** The partition whose owner allocates what a queue has. */
export function homeOf(tenant: string, queue: string): number {
  return partitionOf(tenant, `queue/${queue}`, partitionsOf.scheduler);
}

export function queueKey(tenant: string, queue: string): string {
  return `${tenant}\n${queue}`;
}

export function isLimited({ concurrency, keyConcurrency, rate, keyRate }: Limits): boolean {
  return (concurrency ?? keyConcurrency ?? rate ?? keyRate) !== undefined;
}

/** What a partition knows of queues with limits: their definitions, and what its runs have of them. Empty where no queue has limits. */
export class Queues {
  /** By {@link queueKey}; a queue whose limits were lifted stays, for its revision. */
  readonly known = new Map<string, Queue>();
  /** Queues that were defined or learned of, for the owner. */
  readonly changed = new Set<string>();
  private readonly holdings = new Map<RunRecord, Holding>();
  private readonly spent = new Map<string, Spent>();

  /** Of a run on a queue that had limits when it was started. */
  of(run: RunRecord): Holding | undefined {
    return this.holdings.size === 0 ? undefined : this.holdings.get(run);
  }

  get all(): Iterable<[RunRecord, Holding]> {
    return this.holdings;
  }

  /** The limits that a start on this queue is held to, if there are any. */
  limitsOf(tenant: string, queue: string): Limits | undefined {
    if (this.known.size === 0) return undefined;
    const limits = this.known.get(queueKey(tenant, queue))?.limits;
    return limits && isLimited(limits) ? limits : undefined;
  }

  /** Whether a run that only waits is to give its slot back. */
  parks(run: RunRecord): boolean {
    return this.of(run)?.slot === true && this.limitsOf(run.tenant, run.queue)?.concurrency !== undefined;
  }

  take(run: RunRecord, { key, cost = 1, priority = 0 }: Ticket, sinceMs: number): void {
    this.holdings.set(run, { key, cost, priority, admitted: false, slot: false, sinceMs, giving: false });
  }

  drop(run: RunRecord): void {
    this.holdings.delete(run);
  }

  spend(tenant: string, queue: string, key: string, untilMs: number, nowMs: number): void {
    const name = queueKey(tenant, queue);
    let spent = this.spent.get(name);
    if (!spent) this.spent.set(name, (spent = new Map()));
    spent.delete(key);
    // The oldest first: what is over is as good as absent.
    for (const [each, ms] of spent) {
      if (ms > nowMs) break;
      spent.delete(each);
    }
    spent.set(key, untilMs);
  }

  /** Until when each rate of a queue is taken up by what was let go on here. */
  spentOf(tenant: string, queue: string): [key: string, untilMs: number][] {
    return [...(this.spent.get(queueKey(tenant, queue)) ?? [])];
  }

  evolve({ tenant, subject: name, type, data }: Pick<LedgerEvent, 'tenant' | 'subject' | 'type' | 'data'>): void {
    const key = queueKey(tenant, name);
    const known = this.known.get(key) ?? { tenant, name, revision: 0, limits: {}, epoch: 0 };
    if (type === 'queue.defined.v1' || type === 'queue.learned.v1') {
      const { revision, limits } = data as QueueEventData<'queue.defined.v1'>;
      this.known.set(key, { ...known, revision, limits });
      this.changed.add(key);
    } else if (type === 'queue.followed.v1') {
      const { epoch } = data as QueueEventData<'queue.followed.v1'>;
      this.known.set(key, { ...known, epoch });
    }
  }

  /** Queues that are at home in a partition. */
  at(home: number): Queue[] {
    return [...this.known.values()].filter(({ tenant, name }) => homeOf(tenant, name) === home);
  }

  snapshot(): Json {
    const rows = Array.from(this.holdings, ([{ tenant, id }, holding]) => [tenant, id, { ...holding, giving: false }]);
    return {
      queues: Array.from(this.known.values(), (queue) => ({ ...queue })),
      holdings: rows,
      spent: Array.from(this.spent, ([name, spent]) => [name, [...spent]]),
    } as unknown as Json;
  }

  restore(snapshot: Json, runs: { get(tenant: string, id: string): RunRecord | undefined }): void {
    const { queues, holdings, spent } = snapshot as unknown as {
      queues: Queue[];
      holdings: [string, string, Holding][];
      spent: [string, [string, number][]][];
    };
    for (const queue of queues) this.known.set(queueKey(queue.tenant, queue.name), queue);
    for (const [tenant, id, holding] of holdings) {
      const run = runs.get(tenant, id);
      if (run) this.holdings.set(run, { ...holding, key: holding.key });
    }
    for (const [name, rows] of spent) this.spent.set(name, new Map(rows));
  }
}

/** Commands of the aggregate `queue`. */
export type QueueCommand =
  | { type: 'set'; limits: Limits }
  /** What the queue's own partition has recorded, for the others. */
  | { type: 'learn'; revision: number; limits: Limits }
  /** Slots come from the owner of the home that has this epoch. */
  | { type: 'follow'; epoch: number };

/** Pure: the same arguments give the same events. @throws DomainError `queue.*` */
export function decideQueue(command: QueueCommand, known: Queue | undefined): QueueEvent[] {
  if (command.type === 'follow') {
    const { epoch } = command;
    return known && epoch > known.epoch ? [{ type: 'queue.followed.v1', data: { epoch } }] : [];
  }
  const { limits } = command;
  if (command.type === 'learn')
    return command.revision > (known?.revision ?? 0)
      ? [{ type: 'queue.learned.v1', data: { revision: command.revision, limits } }]
      : [];
  if (canonicalJson(limits as never) === canonicalJson((known?.limits ?? {}) as never)) return [];
  if (!isLimited(limits) && Object.keys(limits).length > 0)
    throw refuse('queue.bad_limits', 'a key, a cost or shares say nothing without a concurrency or a rate');
  return [{ type: 'queue.defined.v1', data: { revision: (known?.revision ?? 0) + 1, limits } }];
}
