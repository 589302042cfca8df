import type { KV } from '@nats-io/kv';
import type { Subscription } from '@nats-io/nats-core';
import { LedgerCommands } from '../commands/client.js';
import { serveCommands } from '../commands/serve.js';
import { partitionLabel } from '../domain/partitioning.js';
import { refuse } from '../domain/refusals.js';
import type { Logger } from '../ledger.js';
import type { Commit, PartitionAddress } from '../log/commit.js';
import { diskFull } from '../owner/disk-full.js';
import { Owner } from '../owner/owner.js';
import type { Snapshots } from '../owner/snapshots.js';
import type { PartitionState } from '../owner/state.js';
import { pause } from '../pause.js';
import type { Checkpoints } from '../projections/checkpoints.js';
import { ProjectionRunner } from '../projections/runner.js';
import type { ProjectionWriter } from '../projections/writer.js';
import { ReactorRunner } from '../reactors/runner.js';
import type { LedgerSource } from '../source.js';
import { Snapshooter } from './snapshooter.js';
import type { HostSpec, PartitionHandle } from './spec.js';
import { Tail } from './tail.js';

/** How long a leaving owner waits for the broker to answer what is under way. */
const leaveMs = 10_000;
/** And when the broker is away: it may just be restarting. */
const leaveAloneMs = 1_000;

export interface TenureContext {
  spec: HostSpec;
  source: LedgerSource;
  kv: KV;
  snapshots: Snapshots;
  checkpoints: Checkpoints | undefined;
  /** One for each projection. */
  writers: readonly ProjectionWriter[];
  log: Logger;
}

/** A partition while it is owned here: its owner, and everything that runs beside it. */
export class Tenure {
  readonly owner: Owner;
  readonly projections: ProjectionRunner[] = [];
  readonly reactors: ReactorRunner[] = [];
  private readonly context: TenureContext;
  private readonly address: PartitionAddress;
  private readonly tail: Tail;
  private readonly snapshooter: Snapshooter;
  private subscription: Subscription | undefined;
  private announced = false;
  private lost: 'deposed' | 'failed' | 'left' = 'left';
  private readonly ending = new AbortController();
  /** Why its state is worth nothing any more, where that is not just somebody else's claim. */
  failure: Error | undefined;

  /** @param recovered the state that `takeOver` claimed, and how many events it read for that */
  constructor(
    context: TenureContext,
    address: PartitionAddress,
    recovered: { state: PartitionState; replayed: number },
  ) {
    const { source, snapshots, log } = context;
    const { state, replayed } = recovered;
    this.context = context;
    this.address = address;
    this.tail = new Tail(source, address, state.commit);
    this.owner = new Owner(address, state, source, {
      committed: (commit) => this.committed(commit),
      bug: (fields, message) => log.error(fields, message),
      slow: (commit, slow) => log.warn({ ...address, commit, ...slow }, 'the broker was slow to store a commit'),
      lost: (why, detail) => {
        if (why !== 'deposed') this.failure = why === 'full' ? diskFull(address, detail) : new Error(detail);
        else log.warn({ ...address, epoch: state.epoch, detail }, 'deposed');
        this.lost = why === 'deposed' ? 'deposed' : 'failed';
        this.end();
      },
    });
    this.snapshooter = new Snapshooter(this.owner, { address, snapshots, log }, replayed);
  }

  /** Tells the service, and takes commands. */
  async serve(): Promise<void> {
    const { spec, source, writers, kv, log } = this.context;
    const { address, owner, tail } = this;
    this.announced = true;
    await spec.onOwned?.(address.partition, this.handle());
    if (this.ending.signal.aborted) return;
    this.subscription = serveCommands(source.nc, address, owner);
    for (const writer of writers) this.projections.push(new ProjectionRunner(writer, address, { tail, log }));
    const errors = spec.errors ?? {};
    const { observer, jsm } = source;
    for (const reactor of spec.reactors ?? [])
      this.reactors.push(new ReactorRunner(reactor, address, { kv, jsm, tail, log, errors, observer }));
  }

  /** Asks it to end. */
  end(): void {
    this.ending.abort();
  }

  /** Until it was asked to end, or lost the partition. */
  async ended(): Promise<void> {
    const { signal } = this.ending;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  /** Answers what it has taken, and leaves everything as the next owner wants to find it. */
  async leave(): Promise<void> {
    const { owner, subscription } = this;
    // While commands are still taken here: a reaction under way sends some.
    await Promise.all(this.reactors.map((runner) => runner.stop()));
    if (owner.serving) await this.drain();
    else subscription?.unsubscribe();
    await Promise.all(this.projections.map((runner) => runner.stop()));
    await this.snapshooter.leave();
    owner.stop();
    if (this.announced) this.told(() => this.context.spec.onLost?.(this.address.partition, this.lost), 'onLost threw');
  }

  private async drain(): Promise<void> {
    const done = new AbortController();
    // What the broker has delivered already is still decided here; what it delivers later goes to the next owner.
    const answered = Promise.resolve(this.subscription?.drain())
      .catch(() => undefined)
      .then(() => this.owner.drain());
    const most = this.context.source.connected() ? leaveMs : leaveAloneMs;
    await Promise.race([answered, pause(most, done.signal)]);
    done.abort();
  }

  private committed(commit: Commit): void {
    this.tail.push(commit);
    this.told(() => this.context.spec.onCommit?.(commit), 'onCommit threw');
  }

  /** A service's own listener: what it throws is its bug, and not a reason to lose a commit. */
  private told(tell: () => void, message: string): void {
    try {
      tell();
    } catch (error) {
      this.context.log.error({ ...this.address, err: error }, message);
    }
  }

  private handle(): PartitionHandle {
    const { owner } = this;
    const { partition, service } = this.address;
    const { nc, frames } = this.context.source;
    const commands = new LedgerCommands({ nc, frames, service, partitions: () => 1, local: () => owner });
    const gone = (): Error =>
      refuse('ledger.unavailable', `${service}/${partitionLabel(partition)} is not owned here any more`);
    return {
      partition,
      epoch: owner.epoch,
      model: owner.state.model,
      commit: () => owner.commit,
      execute: (command) => (owner.serving ? commands.send({ ...command, partition }) : Promise.reject(gone())),
    };
  }
}
