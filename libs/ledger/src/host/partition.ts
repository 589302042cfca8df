import type { Subscription } from '@nats-io/nats-core';
import { refuseCommands } from '../commands/serve.js';
import { DomainError } from '../domain/refusals.js';
import type { Leases } from '../lease/leases.js';
import { ChainBroken } from '../log/chain.js';
import type { PartitionAddress } from '../log/commit.js';
import { takeOver, type Recovered } from '../owner/take-over.js';
import { pause } from '../pause.js';
import type { PartitionHealth } from './spec.js';
import { Tenure, type TenureContext } from './tenure.js';
import type { Semaphore } from './semaphore.js';

const failureBackoffMs = [100, 250, 500, 1000, 2000, 5000];

export interface PartitionContext extends TenureContext {
  leases: Leases;
  replica: string;
}

/** One partition as this replica sees it: competes for the lease when it should have it, and serves while it has it. */
export class Partition {
  readonly address: PartitionAddress;
  private readonly context: PartitionContext;
  private tenure: Tenure | undefined;
  private state: PartitionHealth['state'] = 'idle';
  private detail: string | undefined;
  private failures = 0;
  private chainBroken = false;
  private busy: Promise<void> | undefined;
  private turnsAway: Subscription | undefined;
  private readonly stopping = new AbortController();

  /** @param recoveries of all partitions of this process */
  constructor(
    context: PartitionContext,
    partition: number,
    private readonly recoveries: Semaphore,
  ) {
    this.context = context;
    this.address = { service: context.spec.service, partition };
  }

  /** What serves it here. */
  get serving(): Tenure | undefined {
    return this.state === 'owned' ? this.tenure : undefined;
  }

  /** Whether its log has lost or changed a commit: nobody may own it, and time does not mend it. */
  get broken(): boolean {
    return this.chainBroken;
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

  /** Called each second, and when something changed: competes for the lease, hands it over, or notices that it is lost. */
  tick(): void {
    if (this.stopping.signal.aborted) return;
    const { leases } = this.context;
    const { partition } = this.address;
    const mine = leases.prefersMe(partition);
    if (!mine || !leases.holds(partition)) this.tenure?.end();
    if (mine)
      this.busy ??= this.compete()
        .catch((error: unknown) => void this.failed(String(error), error))
        .finally(() => (this.busy = undefined));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.tenure?.end();
    await this.busy;
  }

  private async compete(): Promise<void> {
    const { leases, log } = this.context;
    const { partition } = this.address;
    if (!leases.acquire(partition)) return;
    while (leases.holds(partition) && !this.stopping.signal.aborted) {
      const failure = await this.own();
      if (failure === undefined) break;
      const backoff = failureBackoffMs[Math.min(this.failures++, failureBackoffMs.length - 1)] as number;
      await pause(backoff, this.stopping.signal);
    }
    this.takeIn();
    this.state = 'idle';
    leases.release(partition);
    log.debug({ ...this.address }, 'partition released');
  }

  /** One tenure, from its claim to its end. @returns why it must be tried again, where it failed */
  private async own(): Promise<string | undefined> {
    this.state = 'recovering';
    try {
      const recovered = await this.recoveries.take(() => this.recover());
      if (!recovered) return undefined;
      const tenure = new Tenure(this.context, this.address, recovered);
      this.tenure = tenure;
      try {
        this.takeIn();
        await tenure.serve();
        this.begun(recovered);
        await tenure.ended();
      } finally {
        this.state = 'handing-over';
        await tenure.leave();
        this.tenure = undefined;
      }
      return tenure.failure && this.failed(tenure.failure.message, tenure.failure);
    } catch (error) {
      return this.stopping.signal.aborted ? undefined : this.failed(String(error), error);
    }
  }

  /** @returns undefined when the lease was lost while others were recovered */
  private async recover(): Promise<Recovered | undefined> {
    const { spec, source, snapshots, replica, log, leases } = this.context;
    const { address } = this;
    if (!leases.holds(address.partition)) return undefined;
    return takeOver({
      source,
      address,
      replica,
      model: () => spec.model(address.partition),
      snapshots,
      signal: this.stopping.signal,
      warn: (fields, message) => log.warn(fields, message),
    });
  }

  private takeIn(): void {
    this.turnsAway?.unsubscribe();
    this.turnsAway = undefined;
  }

  private begun({ state, snapshot, replayed, ms }: Recovered): void {
    const { epoch, commit } = state;
    this.state = 'owned';
    this.detail = undefined;
    this.failures = 0;
    this.chainBroken = false;
    this.context.log.info(
      { ...this.address, epoch, commit, snapshot, replayed, ms: Math.round(ms) },
      'partition owned',
    );
  }

  /** Until it is served again: whoever asks is told at once what is wrong, and does not wait for an owner. */
  private turnAway(refusal: DomainError): void {
    this.turnsAway?.unsubscribe();
    this.turnsAway = refuseCommands(this.context.source.nc, this.address, refusal);
  }

  private failed(detail: string, error?: unknown): string {
    this.state = 'failed';
    this.detail = detail;
    this.chainBroken = error instanceof ChainBroken;
    if (error instanceof DomainError) this.turnAway(error);
    const fields = { ...this.address, detail, err: error };
    this.context.log.error(fields, 'a partition could not be served; it is tried again');
    return detail;
  }
}
