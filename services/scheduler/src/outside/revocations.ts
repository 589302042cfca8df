import type { Enforcement, Revoked } from '@writ/enforcement';
import type { Commit, Logger } from '@writ/ledger';
import { schedulerActor, type PartitionOwner } from '../partition/partition-owner.js';
import type { Owners } from '../partition/owners.js';
import type { RunCommand } from '../run/run.commands.js';
import { isRevoked, type RunModel } from '../run/run-model.js';

type RevokeRuns = Extract<RunCommand, { type: 'revoke' }>;

/** A revocation is looked for from a little before the oldest run on: the clocks of two services may differ. */
const skewMs = 60_000;
/** Many partitions come at once; what was read for one is good for the next, together with what was heard since. */
const goodMs = 5_000;
/** A start that was admitted elsewhere before the revocation was heard there is here within this: a command is given up after 10 s. */
const heardMs = 15_000;
const againMs = 1_000;
/** So long a worker is given to be told of its runs before its own stream is cut. */
const stopMs = 250;

/** What is asked of enforcement. */
type Revocations = Pick<Enforcement, 'onRevoked' | 'revokedSince'>;

/**
 * Stops the runs that act by a right that was taken away: at once where it is heard of, and when a partition comes here also what was
 * revoked since its oldest run began, for nobody may have been there to hear it.
 */
export class RevokedRuns {
  private readonly heard: { revoked: Revoked; atMs: number }[] = [];
  private past: { sinceMs: number; atMs: number; revoked: Promise<readonly Revoked[]> } | undefined;
  private revocations: Revocations | undefined;
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly owners: Owners,
    private readonly log: Logger,
  ) {}

  /** @param after called after each revocation when the runs were stopped, or did not stop in time */
  follow(revocations: Revocations, after: () => void): void {
    this.revocations = revocations;
    this.unsubscribe = revocations.onRevoked((revoked) => {
      const late = new Promise((resolve) => setTimeout(resolve, stopMs).unref());
      void Promise.race([this.take(revoked), late]).then(after);
    });
    for (const owner of this.owners.local) this.owned(owner);
  }

  stop(): void {
    this.revocations = undefined;
    this.unsubscribe?.();
  }

  /** Somebody was admitted before this replica heard of a revocation, and their start came after it: its run is stopped like those before. */
  committed({ partition, events }: Pick<Commit, 'partition' | 'events'>): void {
    if (this.heard.length === 0) return;
    this.forgetHeard();
    const started = events.filter(({ type }) => type === 'run.started.v1');
    const owner = started.length > 0 && [...this.owners.local].find((each) => each.partition === partition);
    if (!owner) return;
    const { index } = owner.handle.model as RunModel;
    const late = (revoked: Revoked, command: RevokeRuns | undefined) =>
      started.some(({ tenant, subject }) => {
        const run = tenant === revoked.tenant ? index.get(tenant, subject) : undefined;
        return run && command && isRevoked(run, command);
      });
    for (const { revoked } of this.heard) if (late(revoked, commandOf(revoked))) void this.stopRuns(owner, revoked);
  }

  /** A partition has come here. */
  owned(owner: PartitionOwner): void {
    void this.catchUp(owner);
  }

  private async take(revoked: Revoked): Promise<void> {
    if (commandOf(revoked) === undefined) return;
    const nowMs = performance.now();
    this.heard.push({ revoked, atMs: nowMs });
    this.forgetHeard();
    await Promise.all(Array.from(this.owners.local, (owner) => this.stopRuns(owner, revoked)));
  }

  private forgetHeard(): void {
    const nowMs = performance.now();
    while (this.heard[0] && this.heard[0].atMs < nowMs - heardMs) this.heard.shift();
  }

  /** Tries until it is known what was revoked: a run that goes on meanwhile has no token to act with. */
  private async catchUp(owner: PartitionOwner): Promise<void> {
    const oldestMs = oldestOf(owner);
    if (oldestMs === undefined) return;
    while (this.revocations && [...this.owners.local].includes(owner))
      try {
        const past = await this.since(this.revocations, oldestMs - skewMs);
        for (const revoked of [...past, ...this.heard.map((each) => each.revoked)]) await this.stopRuns(owner, revoked);
        return;
      } catch (error) {
        const { partition } = owner;
        this.log.warn(
          { err: error, partition },
          'it is not known which runs of a partition were revoked; trying again',
        );
        await new Promise((resolve) => setTimeout(resolve, againMs).unref());
      }
  }

  private since(revocations: Revocations, sinceMs: number): Promise<readonly Revoked[]> {
    const nowMs = performance.now();
    if (this.past && this.past.sinceMs <= sinceMs && this.past.atMs > nowMs - goodMs) return this.past.revoked;
    const revoked = collected(revocations.revokedSince(new Date(sinceMs)));
    const past = { sinceMs, atMs: nowMs, revoked };
    this.past = past;
    revoked.catch(() => {
      if (this.past === past) this.past = undefined;
    });
    return revoked;
  }

  private async stopRuns({ handle, partition }: PartitionOwner, revoked: Revoked): Promise<void> {
    const command = commandOf(revoked);
    if (command === undefined) return;
    const { tenant } = revoked;
    const { index } = handle.model as RunModel;
    try {
      while (Array.from(index.ofTenant(tenant)).some((run) => !run.ended && isRevoked(run, command)))
        await handle.execute({ tenant, aggregate: 'run', subject: command.principal, command, actor: schedulerActor });
    } catch (error) {
      this.log.warn({ err: error, partition, ...command }, 'revoked runs of a partition were not stopped here');
    }
  }
}

/** Tokens are none of a run's concern, and that a run has ended it says itself. */
function commandOf({ subject, kind }: Revoked): RevokeRuns | undefined {
  return kind === 'token' || kind === 'ended' ? undefined : { type: 'revoke', kind, principal: subject };
}

/** When the oldest run began that goes on. */
function oldestOf({ handle }: PartitionOwner): number | undefined {
  let oldestMs: number | undefined;
  for (const { ended, startedMs } of (handle.model as RunModel).index.all())
    if (!ended && (oldestMs === undefined || startedMs < oldestMs)) oldestMs = startedMs;
  return oldestMs;
}

async function collected(revocations: AsyncIterable<Revoked>): Promise<Revoked[]> {
  const all: Revoked[] = [];
  for await (const revoked of revocations) all.push(revoked);
  return all;
}
