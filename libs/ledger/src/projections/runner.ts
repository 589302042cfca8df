import type { ConsumerHealth } from '../host/spec.js';
import type { Tail } from '../host/tail.js';
import type { Logger } from '../ledger.js';
import type { Commit, PartitionAddress } from '../log/commit.js';
import { CheckpointMoved } from './checkpoints.js';
import { pause, untilNext, Waiters } from '../pause.js';
import { mayHeal } from './database-errors.js';
import type { ProjectionWriter, Share } from './writer.js';

/** A commit that fails this often on its own is poison. */
const poisonAfter = 3;
const backoffMs = [50, 100, 250, 500, 1000, 2000, 5000];
/** After commits that had nothing for a projection: of them it writes no more than that it has seen them. */
const idleRestMs = 100;
/** A transaction of more events than this says that many come: the longer they gather, the more begins and ends in one. */
const manyEvents = 100;
const restFactor = 5;
/** Who is so many commits behind does not wait for more. */
const farBehind = 500;

/** Applies one partition's commits to one projection, from its checkpoint on, while the partition is owned here. */
export class ProjectionRunner {
  readonly name: string;
  private readonly writer: ProjectionWriter;
  private readonly types: ReadonlySet<string> | undefined;
  private readonly address: PartitionAddress;
  private readonly tail: Tail;
  private readonly log: Logger;
  private readonly abort = new AbortController();
  private readonly waiters = new Waiters();
  private commit = 0;
  /** How many events the last transaction had. */
  private wrote = 1;
  private parked: string | undefined;
  private readers = 0;
  private hurry: (() => void) | undefined;
  private readonly running: Promise<void>;

  /** @param writer shared by all partitions of the projection */
  constructor(writer: ProjectionWriter, address: PartitionAddress, context: { tail: Tail; log: Logger }) {
    const { projection } = writer;
    this.name = projection.name;
    this.writer = writer;
    this.types = projection.events && new Set(projection.events);
    this.address = address;
    this.tail = context.tail;
    this.log = context.log;
    this.running = this.run();
  }

  health(): ConsumerHealth {
    const { name, commit } = this;
    const lag = Math.max(0, this.tail.head - commit);
    const health = { name, partition: this.address.partition, commit, lag };
    return this.parked === undefined ? health : { ...health, parked: this.parked };
  }

  /** Resolves with true once `commit` was applied; with false when the runner stops before. */
  async reached(commit: number, signal: AbortSignal): Promise<boolean> {
    this.readers++;
    this.hurry?.();
    while (this.commit < commit && !signal.aborted && !this.abort.signal.aborted && this.parked === undefined)
      await this.waiters.next(signal);
    this.readers--;
    return this.commit >= commit;
  }

  /** Ends after the transaction that is under way. */
  async stop(): Promise<void> {
    this.abort.abort();
    this.waiters.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted && this.parked === undefined; failures++) {
      const before = this.commit;
      try {
        await this.follow();
      } catch (error) {
        if (this.commit > before) failures = 0; // it went on meanwhile, so this is a new trouble
        if (!(error instanceof CheckpointMoved))
          this.log.warn({ ...this.address, projection: this.name, err: error }, 'a projection starts again');
        await pause(backoffMs[Math.min(failures, backoffMs.length - 1)] as number, signal);
      }
    }
    this.waiters.wake();
  }

  private async follow(): Promise<void> {
    const { signal } = this.abort;
    this.commit = await this.writer.checkpoints.load(this.writer.projection, this.address);
    if (this.commit > this.tail.head)
      return this.park(`its checkpoint ${this.commit} is ahead of the log, which ends at ${this.tail.head}`);
    this.waiters.wake();
    const cursor = this.tail.cursor(this.commit);
    try {
      for (;;) {
        await cursor.more(signal);
        await this.gather(signal);
        const commits = await cursor.next(signal);
        if (commits.length === 0) return;
        await this.take(commits);
        if (this.parked !== undefined) return;
      }
    } finally {
      cursor.close();
    }
  }

  /** Lets commits come together, those of the other partitions too, unless somebody waits for them. */
  private async gather(signal: AbortSignal): Promise<void> {
    const { restMs: usualMs = this.wrote > 0 ? 0 : idleRestMs } = this.writer.projection;
    const restMs = this.wrote > manyEvents ? usualMs * restFactor : usualMs;
    const behind = this.tail.head - this.commit;
    if (restMs === 0 || this.readers > 0 || behind > farBehind || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.hurry = undefined;
        resolve();
      };
      const timer = setTimeout(end, untilNext(restMs));
      signal.addEventListener('abort', end);
      this.hurry = end;
    });
  }

  private async take(commits: readonly Commit[]): Promise<void> {
    try {
      await this.apply(commits);
    } catch (error) {
      if (error instanceof CheckpointMoved || mayHeal(error)) throw error;
      // One of them is poison: find it, and let everything before it pass.
      for (const commit of commits) {
        const failure = await this.alone(commit);
        if (failure === undefined) continue;
        return this.park(`commit ${commit.commit}: ${failure}`);
      }
    }
  }

  /** @returns why it fails each time, or nothing */
  private async alone(commit: Commit): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.apply([commit]);
        return undefined;
      } catch (error) {
        if (error instanceof CheckpointMoved || mayHeal(error)) throw error;
        if (attempt >= poisonAfter) return error instanceof Error ? error.message : String(error);
        await pause(backoffMs[attempt] as number, this.abort.signal);
        if (this.abort.signal.aborted) throw error;
      }
    }
  }

  private async apply(commits: readonly Commit[]): Promise<void> {
    const rows: Share['rows'][number][] = [];
    for (const commit of commits)
      for (const [index, event] of commit.events.entries())
        if (!this.types || this.types.has(event.type))
          rows.push({ event, position: { ...this.address, commit: commit.commit, index } });
    const to = (commits.at(-1) as Commit).commit;
    this.wrote = await this.writer.write({ partition: this.address.partition, from: this.commit, to, rows });
    this.commit = to;
    this.waiters.wake();
  }

  private async park(reason: string): Promise<void> {
    this.parked = reason;
    this.log.error({ ...this.address, projection: this.name, reason }, 'a projection is parked');
    this.waiters.wake();
    await this.writer.checkpoints.park(this.name, this.address.partition, reason).catch(() => undefined);
  }
}
