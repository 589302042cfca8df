import type { Enforcement, Revoked } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import { schedulerActor, type PartitionOwner } from '../partition/partition-owner.js';
import type { Owners } from '../partition/owners.js';
import type { RunCommand } from '../run/run.commands.js';
import { isRevoked, type RunModel } from '../run/run-model.js';

type RevokeRuns = Extract<RunCommand, { type: 'revoke' }>;

/** As long as an enforcement point remembers a revocation; a partition that comes later has to hear of it too. */
const rememberMs = 15 * 60_000;
/** So long a worker is given to be told of its runs before its own stream is cut. */
const stopMs = 250;

/** Stops the runs that act by a right that was taken away. */
export class RevokedRuns {
  private readonly recent: { tenant: string; command: RevokeRuns; atMs: number }[] = [];
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly owners: Owners,
    private readonly log: Logger,
  ) {}

  /** @param after called after each revocation when the runs were stopped, or did not stop in time */
  follow(enforcement: Pick<Enforcement, 'onRevoked'>, after: () => void): void {
    this.unsubscribe = enforcement.onRevoked((revoked) => {
      const late = new Promise((resolve) => setTimeout(resolve, stopMs).unref());
      void Promise.race([this.take(revoked), late]).then(after);
    });
  }

  stop(): void {
    this.unsubscribe?.();
  }

  /** A partition has come here. */
  owned(owner: PartitionOwner): void {
    const since = Date.now() - rememberMs;
    while (this.recent[0] && this.recent[0].atMs < since) this.recent.shift();
    for (const { tenant, command } of this.recent) void this.stopRuns(owner, tenant, command);
  }

  private async take({ subject, kind, tenant }: Revoked): Promise<void> {
    if (kind === 'token' || kind === 'ended') return;
    const command: RevokeRuns = { type: 'revoke', kind, principal: subject };
    this.recent.push({ tenant, command, atMs: Date.now() });
    await Promise.all(Array.from(this.owners.local, (owner) => this.stopRuns(owner, tenant, command)));
  }

  private async stopRuns({ handle, partition }: PartitionOwner, tenant: string, command: RevokeRuns): Promise<void> {
    const { index } = handle.model as RunModel;
    try {
      while (Array.from(index.ofTenant(tenant)).some((run) => !run.ended && isRevoked(run, command)))
        await handle.execute({ tenant, aggregate: 'run', subject: command.principal, command, actor: schedulerActor });
    } catch (error) {
      this.log.warn({ err: error, partition, ...command }, 'revoked runs of a partition were not stopped here');
    }
  }
}
