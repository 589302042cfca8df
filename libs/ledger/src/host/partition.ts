import type { KV } from '@nats-io/kv';
import type { Subscription } from '@nats-io/nats-core';
import { serveCommands } from '../commands/serve.js';
import type { CommandResult } from '../commands/client.js';
import { LedgerCommands } from '../commands/client.js';
import { partitionLabel } from '../domain/partitioning.js';
import { refuse } from '../domain/refusals.js';
import type { Leases } from '../lease/leases.js';
import type { Logger } from '../ledger.js';
import type { Commit, PartitionAddress } from '../log/commit.js';
import type { LedgerSource } from '../source.js';
import { Owner } from '../owner/owner.js';
import type { Snapshots } from '../owner/snapshots.js';
import { takeOver } from '../owner/take-over.js';
import { pause } from '../pause.js';
import type { Checkpoints } from '../projections/checkpoints.js';
import { ProjectionRunner } from '../projections/runner.js';
import { ReactorRunner } from '../reactors/runner.js';
import { Snapshooter } from './snapshooter.js';
import type { HostSpec, PartitionHandle, PartitionHealth } from './spec.js';
import { Tail } from './tail.js';

const failureBackoffMs = [100, 250, 500, 1000, 2000, 5000];
/** How long a leaving owner waits for the broker to answer what is under way. */
const leaveMs = 10_000;
/** And when the broker is away: it may just be restarting. */
const leaveAloneMs = 1_000;

export interface PartitionContext {
  spec: HostSpec;
  source: LedgerSource;
  leases: Leases;
  kv: KV;
  snapshots: Snapshots;
  checkpoints: Checkpoints | undefined;
  replica: string;
  log: Logger;
}

/** What an owned partition runs. */
interface Tenure {
  owner: Owner;
  tail: Tail;
  projections: ProjectionRunner[];
  reactors: ReactorRunner[];
  snapshooter: Snapshooter;
  subscription: Subscription | undefined;
  /** Aborted when it has to end; the reason says why. */
  end: AbortController;
  owned: boolean;
}

/** One partition as this replica sees it: tries to get the lease when it should, serves while it has it. */
export class Partition {
  readonly address: PartitionAddress;
  private readonly context: PartitionContext;
  private revision: number | undefined;
  private renewal: Promise<void> | undefined;
  private giving = false;
  private tenure: Tenure | undefined;
  private state: PartitionHealth['state'] = 'idle';
  private detail: string | undefined;
  private failures = 0;
  private busy: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(context: PartitionContext, partition: number) {
    this.context = context;
    this.address = { service: context.spec.service, partition };
  }

  get serving(): Tenure | undefined {
    return this.state === 'owned' ? this.tenure : undefined;
  }

  health(): PartitionHealth {
    const { partition } = this.address;
    const owner = this.tenure?.owner;
    return {
      partition,
      state: this.state,
      ...(owner ? { epoch: owner.epoch, commit: owner.commit } : {}),
      ...(this.detail === undefined ? {} : { detail: this.detail }),
    };
  }

  /** Called each second, and when something changed: keeps the lease, or competes for it, or hands it over. */
  tick(renew: boolean): void {
    if (this.stopping.signal.aborted) return;
    const mine = this.context.leases.prefersMe(this.address.partition);
    if (this.revision !== undefined && renew && !this.giving)
      this.renewal ??= this.renew().finally(() => (this.renewal = undefined));
    if (this.tenure && !mine) this.tenure.end.abort('handing over');
    if (mine && !this.busy) {
      this.busy = this.compete()
        .catch((error: unknown) => this.failed(String(error), error))
        .finally(() => (this.busy = undefined));
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.tenure?.end.abort('stopping');
    await this.busy;
  }

  private async renew(): Promise<void> {
    try {
      const next = await this.context.leases.renew(this.address.partition, this.revision as number);
      this.revision = next;
      if (next === undefined) this.tenure?.end.abort('the lease is lost');
    } catch {
      // The broker is away. The lease may run out, and the log's fence decides what that means.
    }
  }

  private async compete(): Promise<void> {
    const { leases, log } = this.context;
    const { partition } = this.address;
    this.revision = await leases.acquire(partition);
    while (this.revision !== undefined && !this.stopping.signal.aborted) {
      try {
        await this.own();
      } catch (error) {
        if (!this.stopping.signal.aborted) this.failed(String(error), error);
      }
      this.tenure = undefined;
      if (this.state !== 'failed') break;
      const backoff = failureBackoffMs[Math.min(this.failures++, failureBackoffMs.length - 1)] as number;
      await pause(backoff, this.stopping.signal);
    }
    // A renewal that is under way changes the revision that the release must name.
    this.giving = true;
    const over = new AbortController();
    await Promise.race([this.renewal, pause(leaveAloneMs, over.signal)]);
    over.abort();
    const { revision } = this;
    this.revision = undefined;
    this.giving = false;
    this.state = 'idle';
    if (revision === undefined) return;
    await leases.release(partition, revision);
    log.debug({ ...this.address }, 'partition released');
  }

  private failed(detail: string, error?: unknown): void {
    this.state = 'failed';
    this.detail = detail;
    this.context.log.error(
      { ...this.address, detail, err: error },
      'a partition could not be served; it is tried again',
    );
  }

  private async own(): Promise<void> {
    const { spec, source, snapshots, replica, log } = this.context;
    this.state = 'recovering';
    const end = new AbortController();
    const stop = (): void => end.abort('stopping');
    this.stopping.signal.addEventListener('abort', stop, { once: true });
    const { partition } = this.address;
    const recovered = await takeOver({
      source,
      address: this.address,
      replica,
      model: () => spec.model(partition),
      snapshots,
      signal: end.signal,
      warn: (fields, message) => log.warn(fields, message),
    });
    const tenure = this.begin(recovered.state, recovered.replayed, end);
    this.tenure = tenure;
    try {
      await this.serve(tenure);
      const { snapshot, replayed, ms } = recovered;
      const { epoch, commit } = tenure.owner;
      log.info({ ...this.address, epoch, commit, snapshot, replayed, ms: Math.round(ms) }, 'partition owned');
      if (!end.signal.aborted)
        await new Promise((resolve) => end.signal.addEventListener('abort', resolve, { once: true }));
    } finally {
      this.stopping.signal.removeEventListener('abort', stop);
      await this.leave(tenure);
    }
  }

  private begin(state: Owner['state'], replayed: number, end: AbortController): Tenure {
    const { source, snapshots, log } = this.context;
    const tail = new Tail(source, this.address, state.commit);
    const owner = new Owner(this.address, state, source, {
      committed: (commit) => this.committed(commit, tail),
      bug: (fields, message) => log.error(fields, message),
      lost: (why, detail) => {
        if (why === 'failed' && detail !== 'stopped') this.failed(detail);
        else if (why === 'deposed') log.warn({ ...this.address, epoch: state.epoch, detail }, 'deposed');
        end.abort(why);
      },
    });
    const snapshooter = new Snapshooter(owner, { address: this.address, snapshots, log }, replayed);
    return { owner, tail, snapshooter, projections: [], reactors: [], subscription: undefined, end, owned: false };
  }

  private committed(commit: Commit, tail: Tail): void {
    tail.push(commit);
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

  private async serve(tenure: Tenure): Promise<void> {
    const { spec, source, checkpoints, kv, log } = this.context;
    const { owner, tail, end } = tenure;
    tenure.owned = true;
    await spec.onOwned?.(this.address.partition, this.handle(owner));
    if (end.signal.aborted) return;
    tenure.subscription = serveCommands(source.nc, this.address, owner);
    if (checkpoints)
      for (const projection of spec.projections ?? [])
        tenure.projections.push(new ProjectionRunner(projection, this.address, { checkpoints, tail, log }));
    const errors = spec.errors ?? {};
    for (const reactor of spec.reactors ?? [])
      tenure.reactors.push(new ReactorRunner(reactor, this.address, { kv, tail, log, errors }));
    this.state = 'owned';
    this.detail = undefined;
    this.failures = 0;
  }

  private handle(owner: Owner): PartitionHandle {
    const { partition, service } = this.address;
    const { nc, frames } = this.context.source;
    const commands = new LedgerCommands({ nc, frames, service, partitions: () => 1, local: () => owner });
    return {
      partition,
      epoch: owner.epoch,
      model: owner.state.model,
      commit: () => owner.commit,
      execute: (command): Promise<CommandResult> =>
        owner.serving
          ? commands.send({ ...command, partition })
          : Promise.reject(
              refuse('ledger.unavailable', `${service}/${partitionLabel(partition)} is not owned here any more`),
            ),
    };
  }

  private async leave(tenure: Tenure): Promise<void> {
    if (this.state === 'owned') this.state = 'handing-over';
    const { owner, subscription } = tenure;
    const wasServing = owner.serving;
    if (wasServing) {
      const done = new AbortController();
      // What the broker has delivered already is still decided here; what it delivers later goes to the next owner.
      const answered = Promise.resolve(subscription?.drain())
        .catch(() => undefined)
        .then(() => owner.drain());
      const most = this.context.source.connected() ? leaveMs : leaveAloneMs;
      await Promise.race([answered, pause(most, done.signal)]);
      done.abort();
    } else subscription?.unsubscribe();
    await Promise.all([...tenure.projections, ...tenure.reactors].map((runner) => runner.stop()));
    if (owner.serving || wasServing) await tenure.snapshooter.leave();
    owner.stop();
    if (tenure.owned) this.told(() => this.context.spec.onLost?.(this.address.partition), 'onLost threw');
  }
}
