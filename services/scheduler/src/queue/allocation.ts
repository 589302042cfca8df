import { partitionsOf } from '@writ/ledger/domain';
import type { Admitted } from '../run/run.commands.js';
import { Allocator, type Blocked, type Admission } from './allocator.js';
import type { Poke, QueueRows, SlotsAnswer, SlotsRequest } from './conversation.js';
import { homeOf, isLimited, queueKey, type Queues, type Queue } from './queues.js';

/** A partition that did not hear that there is something for it is told again. */
const pokeAgainMs = 500;
/** Node's timers take 31 bits of milliseconds. */
const longestMs = 24 * 3_600_000;

export interface AllocationParts {
  partition: number;
  epoch: number;
  queues: Queues;
  /** @throws when nobody answers for the partition */
  poke(partition: number, poke: Poke): Promise<unknown>;
  now(): number;
}

/** What is told of a queue. */
export interface QueueLoad extends Pick<Allocator, 'oldestMs' | 'limiting'> {
  readonly holding: number;
  readonly waiting: number;
}

/** A partition of runs, as it is heard of. */
interface Peer {
  epoch: number;
  n: number;
  /** It has told all that it has. */
  told: boolean;
  /** The last answer: should it be lost, the same request gets it again. */
  last: SlotsAnswer;
  /** Admitted, for the next answer: runs by queue. */
  admitted: Map<string, Map<string, Admitted>>;
  poking: boolean;
}

/**
 * The slots of the queues that are at home in one partition, allocated by its owner. In memory alone: a new owner hears from every partition
 * what its runs have, and admits nothing before it knows it of all. So no more is ever admitted than the limits allow.
 */
export class Allocation {
  private readonly allocators = new Map<string, Allocator>();
  private readonly peers = new Map<number, Peer>();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: AllocationParts) {}

  /** Queues were defined, or the partition has just been taken. */
  defined(): void {
    let some = false;
    for (const queue of this.parts.queues.known.values()) {
      if (homeOf(queue.tenant, queue.name) !== this.parts.partition) continue;
      some ||= isLimited(queue.limits);
      this.allocator(queue).define(queue.limits);
    }
    this.allocate();
    if (!some) return;
    for (let partition = 0; partition < partitionsOf.scheduler; partition++)
      if (!this.peers.has(partition)) void this.recount(partition);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** @returns undefined when this is for another owner of the home */
  hear(request: SlotsRequest): SlotsAnswer | undefined {
    const { from, epoch, n, full, more, to } = request;
    if (this.stopped || to > this.parts.epoch) return undefined;
    const peer = this.peers.get(from);
    if (to !== this.parts.epoch) return this.answer(true);
    if (peer && (epoch < peer.epoch || (epoch === peer.epoch && n < peer.n))) return this.answer(false); // nobody waits for it
    if (peer && epoch === peer.epoch && n === peer.n) return peer.last;
    if (full) this.replace(from, request);
    else if (peer?.epoch !== epoch || peer.n + 1 !== n) return this.answer(true);
    else for (const rows of request.queues) this.change(from, peer, rows);
    const heard = this.peers.get(from) as Peer;
    heard.n = n;
    const wasReady = this.ready;
    heard.told ||= !more;
    if (this.ready && !wasReady) for (const allocator of this.allocators.values()) allocator.sort();
    this.allocate(from);
    heard.last = { ...this.answer(false), admissions: taken(heard.admitted) };
    return heard.last;
  }

  /** Why a run does not go on; undefined when it has what it needs of its queue. */
  why(tenant: string, queue: string, run: string): (Blocked & { counting?: boolean }) | undefined {
    const blocked = this.allocators.get(queueKey(tenant, queue))?.why(run, this.parts.now());
    return blocked && !this.ready ? { ...blocked, counting: true } : blocked;
  }

  /** Runs of a queue that go on, and that wait to. */
  count(tenant: string, queue: string): { holding: number; waiting: number } {
    return this.allocators.get(queueKey(tenant, queue))?.count() ?? { holding: 0, waiting: 0 };
  }

  /** How the queues that are at home here stand. Nothing limits one whose runs are still being counted. */
  *queues(): Iterable<QueueLoad> {
    const { ready } = this;
    for (const allocator of this.allocators.values()) {
      const { oldestMs, limiting } = allocator;
      yield { ...allocator.count(), oldestMs, limiting: ready ? limiting : undefined };
    }
  }

  private get ready(): boolean {
    if (this.peers.size < partitionsOf.scheduler) return false;
    for (const { told } of this.peers.values()) if (!told) return false;
    return true;
  }

  private answer(again: boolean): SlotsAnswer {
    return { epoch: this.parts.epoch, again, admissions: [] };
  }

  private allocator({ tenant, name }: Pick<Queue, 'tenant' | 'name'>): Allocator {
    const key = queueKey(tenant, name);
    let allocator = this.allocators.get(key);
    if (!allocator) {
      this.allocators.set(key, (allocator = new Allocator()));
      allocator.define(this.parts.queues.known.get(key)?.limits ?? {});
    }
    return allocator;
  }

  /** What the partition does not name, it has not; what was admitted and it did not hear of, was not admitted. */
  private replace(from: number, { epoch, n, queues }: SlotsRequest): void {
    this.peers.set(from, { epoch, n, told: false, last: this.answer(false), admitted: new Map(), poking: false });
    for (const { tenant, queue } of queues) this.allocator({ tenant, name: queue });
    const byQueue = new Map(queues.map((each) => [queueKey(each.tenant, each.queue), each]));
    for (const [key, allocator] of this.allocators) {
      const { rows = [], spent = [] } = byQueue.get(key) ?? {};
      allocator.replace(from, rows);
      for (const [name, untilMs] of spent) allocator.spent(name === '' ? undefined : name, untilMs);
    }
  }

  private change(from: number, peer: Peer, { tenant, queue, rows }: QueueRows): void {
    const allocator = this.allocator({ tenant, name: queue });
    const admitted = peer.admitted.get(queueKey(tenant, queue));
    for (const row of rows) {
      admitted?.delete(row.run);
      allocator.set(from, row);
    }
    if (admitted?.size === 0) peer.admitted.delete(queueKey(tenant, queue));
  }

  /** @param answering the partition that gets its part with an answer */
  private allocate(answering?: number): void {
    if (!this.ready) return;
    const nowMs = this.parts.now();
    let nextMs = Infinity;
    for (const [key, allocator] of this.allocators) {
      for (const admission of allocator.admit(nowMs)) this.admit(key, admission);
      nextMs = Math.min(nextMs, allocator.nextMs);
    }
    for (const [partition, peer] of this.peers)
      if (partition !== answering && peer.admitted.size > 0) void this.poke(partition, peer);
    clearTimeout(this.timer);
    if (nextMs !== Infinity)
      this.timer = setTimeout(
        () => this.allocate(),
        Math.min(Math.max(Math.ceil(nextMs - nowMs), 1), longestMs),
      ).unref();
  }

  private admit(queue: string, { run, partition, spentMs, keySpentMs }: Admission): void {
    const { admitted } = this.peers.get(partition) as Peer;
    let runs = admitted.get(queue);
    if (!runs) admitted.set(queue, (runs = new Map()));
    const spent = { ...(spentMs !== undefined && { spentMs }), ...(keySpentMs !== undefined && { keySpentMs }) };
    runs.set(run, { run, ...spent });
  }

  /** It asks then, and gets it. */
  private async poke(partition: number, peer: Peer): Promise<void> {
    if (peer.poking) return;
    peer.poking = true;
    const { partition: home, epoch } = this.parts;
    await this.parts.poke(partition, { type: 'poke', home, epoch, all: false }).catch(() => undefined);
    peer.poking = false;
    if (peer.admitted.size > 0) this.later(() => void this.poke(partition, peer), partition, peer);
  }

  private async recount(partition: number): Promise<void> {
    const { partition: home, epoch } = this.parts;
    // Until it is heard of: a partition that gets its owner only now speaks up by itself.
    while (!this.stopped && !this.peers.has(partition)) {
      await this.parts.poke(partition, { type: 'poke', home, epoch, all: true }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pokeAgainMs).unref());
    }
  }

  private later(act: () => void, partition: number, peer: Peer): void {
    setTimeout(() => {
      if (!this.stopped && this.peers.get(partition) === peer) act();
    }, pokeAgainMs).unref();
  }
}

function taken(admitted: Peer['admitted']): SlotsAnswer['admissions'] {
  const admissions = Array.from(admitted, ([key, runs]) => {
    const [tenant, queue] = key.split('\n') as [string, string];
    return { tenant, queue, runs: [...runs.values()] };
  });
  admitted.clear();
  return admissions;
}
