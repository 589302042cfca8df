import { newId } from '@writ/ledger/domain';
import type { Logger } from '@writ/ledger';
import type { RunModel } from '../run/run-model.js';
import type { ControlAnswers, ControlRequest, WatchedRun } from './control.js';
import type { EndListener, EndWaiters } from './end-waiters.js';
import type { History } from './history.js';
import type { PartitionOwner } from './partition-owner.js';
import { schedulerPartition } from './place.js';
import { Watches } from './watches.js';

const againMs = 1_000;
const pollMs = 5_000;
/** Runs that are named in one message. */
const mostNamed = 2_000;

export interface RunEndsParts {
  waiters: EndWaiters;
  history: History;
  log: Logger;
  /** The owner of a partition, where it is here. */
  owner(partition: number): PartitionOwner | undefined;
  /** @throws DomainError `ledger.unavailable` */
  ask(partition: number, request: WatchRequest): Promise<ControlAnswers['watch']>;
}
type WatchRequest = Extract<ControlRequest, { type: 'watch' }>;

/** The runs of a partition elsewhere that its owner has to be told of. */
interface Elsewhere {
  watch: string;
  /** The owner knows of the watch, and of all but these. */
  fresh: WatchedRun[];
  known: boolean;
  from: number;
}

/**
 * Brings the ends of many runs, wherever their owners are. Here an end is heard with its commit. Of a partition elsewhere this replica asks
 * the owner for all its runs together, in one question that is answered when some have ended and asked again at once.
 */
export class RunEnds {
  private readonly elsewhere = new Map<number, Elsewhere>();
  private readonly watches: Watches;
  private stopped = false;

  constructor(private readonly parts: RunEndsParts) {
    this.watches = new Watches(parts.waiters, (owner, runs) => this.lookHere(owner, runs));
  }

  /** The listener hears of each of them once. */
  watch(tenant: string, runs: readonly string[], listener: EndListener): void {
    const byPartition = new Map<number, WatchedRun[]>();
    for (const run of runs) {
      this.parts.waiters.watch(tenant, run, listener);
      const partition = schedulerPartition(tenant, run);
      const there = byPartition.get(partition);
      if (there) there.push([tenant, run]);
      else byPartition.set(partition, [[tenant, run]]);
    }
    for (const [partition, wanted] of byPartition) this.look(partition, wanted);
  }

  unwatch(tenant: string, runs: Iterable<string>, listener: EndListener): void {
    for (const run of runs) this.parts.waiters.unwatch(tenant, run, listener);
  }

  /** Another replica waits for runs of a partition that is here. */
  serve(owner: PartitionOwner, request: WatchRequest): Promise<ControlAnswers['watch']> {
    return this.watches.serve(owner, request);
  }

  /** A partition has come here. What ended meanwhile is in its index. */
  taken(owner: PartitionOwner): void {
    this.lookHere(owner, this.waitedFor(owner.partition));
  }

  /** A partition is elsewhere from now on. */
  dropped(partition: number): void {
    this.watches.drop(partition);
    const runs = this.waitedFor(partition);
    if (runs.length > 0) this.look(partition, runs);
  }

  stop(): void {
    this.stopped = true;
    this.watches.stop();
  }

  private waitedFor(partition: number): WatchedRun[] {
    const runs: WatchedRun[] = [];
    for (const [tenant, run] of this.parts.waiters.runs())
      if (schedulerPartition(tenant, run) === partition) runs.push([tenant, run]);
    return runs;
  }

  private look(partition: number, runs: readonly WatchedRun[]): void {
    const owner = this.parts.owner(partition);
    if (owner) return this.lookHere(owner, runs);
    const there = this.elsewhere.get(partition);
    if (!there) return void this.follow(partition);
    there.fresh.push(...runs);
    // The question that waits over there knows nothing of these.
    if (there.known) void this.tellMore(partition, there).catch(() => undefined);
  }

  /** Tells of those that have ended, or are not known; the others are heard of with their commits. */
  private lookHere(owner: PartitionOwner, runs: readonly WatchedRun[]): void {
    const { index } = owner.handle.model as RunModel;
    const head = owner.handle.commit();
    const ended = new Map<number, WatchedRun[]>();
    for (const [tenant, run] of runs) {
      const record = index.get(tenant, run);
      const commit = record?.commits[0] as number;
      if (!record) this.parts.waiters.tell(tenant, run, undefined);
      else if (record.ended && commit <= head) ended.set(commit, [...(ended.get(commit) ?? []), [tenant, run]]);
    }
    for (const [commit, those] of ended) void this.read(owner, commit, those);
  }

  private async read(owner: PartitionOwner, commit: number, runs: readonly WatchedRun[]): Promise<void> {
    const { history, waiters, log } = this.parts;
    try {
      for (const end of await history.ends(owner.partition, commit, runs)) waiters.tell(end.tenant, end.subject, end);
    } catch (error) {
      if (this.stopped) return;
      log.warn({ err: error, partition: owner.partition, commit }, 'ends of runs could not be read; trying again');
      setTimeout(
        () =>
          this.look(
            owner.partition,
            runs.filter(([tenant, run]) => waiters.has(tenant, run)),
          ),
        againMs,
      ).unref();
    }
  }

  /** Asks the owner elsewhere as long as somebody waits here and the partition does not come. */
  private async follow(partition: number): Promise<void> {
    const there: Elsewhere = { watch: newId('wch'), fresh: [], known: false, from: 0 };
    this.elsewhere.set(partition, there);
    try {
      for (;;) {
        const left = this.stopped || this.parts.owner(partition) ? [] : this.waitedFor(partition);
        if (left.length === 0) return;
        if (!there.known) Object.assign(there, { watch: newId('wch'), fresh: left, from: 0 });
        await this.tellMore(partition, there);
        const answer = await this.ask(partition, there, [], pollMs);
        there.from = answer.next;
      }
    } catch (error) {
      this.parts.log.warn({ err: error, partition }, 'the owner of a partition is not heard of; asking again');
      setTimeout(() => this.stopped || this.dropped(partition), againMs).unref();
    } finally {
      this.elsewhere.delete(partition);
    }
  }

  private async tellMore(partition: number, there: Elsewhere): Promise<void> {
    while (there.fresh.length > 0) await this.ask(partition, there, there.fresh.splice(0, mostNamed), 0);
  }

  private async ask(partition: number, there: Elsewhere, add: WatchedRun[], waitMs: number) {
    const { watch, from, known } = there;
    const answer = await this.parts.ask(partition, { type: 'watch', watch, first: !known, add, from, waitMs });
    // Another owner, that has never heard of it: it is told everything again.
    there.known = answer.known;
    for (const [tenant, run, end] of answer.ends) this.parts.waiters.tell(tenant, run, end ?? undefined);
    return answer;
  }
}
