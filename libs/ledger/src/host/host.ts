import { ping } from '../commands/wire.js';
import { commandSubject, type ServiceName } from '../domain/partitioning.js';
import { parsePosition } from '../domain/positions.js';
import { renewMs, type Leases } from '../lease/leases.js';
import { leaseTtlMs } from '../lease/others.js';
import type { Owner } from '../owner/owner.js';
import { every, pause } from '../pause.js';
import { Partition, type PartitionContext } from './partition.js';
import { Semaphore } from './semaphore.js';
import type { Host, HostHealth } from './spec.js';

const readyPollMs = 5;
/** How often the checkpoint table is asked for a projection that runs elsewhere. */
const tablePollMs = 25;

/**
 * What more than these would be sent at once waits in the broker, which hangs up on who does not read it in time: one of a hundred
 * thousand runs has ten megabytes, and whoever rebuilds a state from them does not read.
 */
const recoveriesAtOnce = 4;

/** Runs the competition for all partitions of one service. */
export class ServiceHost implements Host {
  readonly service: ServiceName;
  readonly partitions: number;
  readonly ready: Promise<void>;
  private readonly context: PartitionContext;
  private readonly leases: Leases;
  private readonly all: Partition[];
  private readonly ending = new AbortController();
  private rest: () => void = () => undefined;
  private stopped: Promise<void> | undefined;

  constructor(context: PartitionContext, partitions: number) {
    this.context = context;
    this.service = context.spec.service;
    this.partitions = partitions;
    this.leases = context.leases;
    const recoveries = new Semaphore(recoveriesAtOnce);
    this.all = Array.from({ length: partitions }, (_, partition) => new Partition(context, partition, recoveries));
    this.ready = this.becomeReady();
    this.ready.catch(() => undefined);
  }

  /** Joins the replicas and begins to compete. */
  async start(): Promise<void> {
    await this.context.checkpoints?.prepare();
    await this.leases.start(() => this.tick());
    this.rest = every(renewMs, () => {
      void this.leases.heartbeat().catch(() => undefined);
      this.tick();
    });
    this.tick();
  }

  owned(): number[] {
    return this.all.filter((p) => p.serving).map((p) => p.address.partition);
  }

  /** The owner, where it is here. */
  owner(partition: number): Owner | undefined {
    return this.all[partition]?.serving?.owner;
  }

  health(): HostHealth {
    const serving = this.all.flatMap((partition) => partition.serving ?? []);
    return {
      partitions: this.all.map((partition) => partition.health()),
      projections: serving.flatMap((tenure) => tenure.projections.map((runner) => runner.health())),
      reactors: serving.flatMap((tenure) => tenure.reactors.map((runner) => runner.health())),
    };
  }

  async waitFor(projection: string, position: string, timeoutMs: number): Promise<boolean> {
    const { service, partition, commit } = parsePosition(position);
    if (service !== this.service || partition >= this.partitions)
      throw new TypeError(`${position} is not a position of ${this.service}`);
    if (!this.context.spec.projections?.some(({ name }) => name === projection))
      throw new TypeError(`${this.service} has no projection '${projection}'`);
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.ending.signal]);
    for (;;) {
      const runner = this.all[partition]?.serving?.projections.find(({ name }) => name === projection);
      // Without a runner the partition is owned elsewhere, and only the table tells.
      if (runner && (await runner.reached(commit, signal))) return true;
      const reached = await this.context.checkpoints?.peek(projection, partition);
      if (reached !== undefined && reached >= commit) return true;
      if (signal.aborted) return false;
      await pause(tablePollMs, signal);
    }
  }

  get stopping(): boolean {
    return this.ending.signal.aborted;
  }

  async stop(): Promise<void> {
    this.stopped ??= this.leave();
    await this.stopped;
  }

  private async leave(): Promise<void> {
    this.ending.abort();
    await Promise.all(this.all.map((partition) => partition.stop()));
    this.rest();
    if (!this.context.source.nc.isClosed()) await this.leases.stop();
  }

  private tick(): void {
    for (const partition of this.all) partition.tick();
  }

  private async becomeReady(): Promise<void> {
    const { signal } = this.ending;
    for (const partition of this.all)
      for (let looks = 0; !partition.serving && !partition.broken; looks++) {
        signal.throwIfAborted();
        const elsewhere = partition.health().state === 'idle' && looks % 10 === 9;
        if (elsewhere && (await this.answers(partition.address.partition))) break;
        await pause(readyPollMs, signal);
      }
  }

  /** Whether some replica serves it. */
  private async answers(partition: number): Promise<boolean> {
    const { answers, connected } = this.context.source;
    if (!connected()) return false;
    const reply = await answers.ask(commandSubject(this.service, partition), Buffer.from(ping), leaseTtlMs);
    return typeof reply !== 'string';
  }
}
