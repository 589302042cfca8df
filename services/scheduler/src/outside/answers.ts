import type { CommandClient, Follower, Ledger, Logger } from '@writ/ledger';
import { derivedId, type LedgerEvent } from '@writ/ledger/domain';
import type { PartitionOwner } from '../partition/partition-owner.js';
import type { Owners } from '../partition/owners.js';
import { lastCommitOf } from '../run/loops.js';
import type { RunCommand } from '../run/run.commands.js';
import type { RunModel } from '../run/run-model.js';

/** Decisions that are remembered, for runs that begin to wait for what was decided before. */
const mostDecided = 100_000;

/**
 * Follows policy's ledger and brings what people decided to the runs that wait for it. It keeps every decision, since a
 * run may begin to wait for an approval that has been decided.
 */
export class Answers {
  private readonly decided = new Map<string, LedgerEvent>();
  private readonly stopping = new AbortController();
  private follower: Follower | undefined;
  private from = 0;

  constructor(
    private readonly ledger: Pick<Ledger, 'follow'>,
    private readonly owners: Owners,
    private readonly runs: CommandClient,
    private readonly log: Logger,
  ) {}

  start(): void {
    void this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.follower?.stop();
  }

  /** A partition has come here: what its runs wait for may have been decided meanwhile. */
  owned({ handle }: PartitionOwner): void {
    for (const [tenant, approval] of (handle.model as RunModel).index.approvals.all())
      this.awaited(tenant, approval).catch((error: unknown) =>
        this.log.error({ err: error, approval }, 'an answer could not be brought to its run'),
      );
  }

  /** A run waits for this approval from now on. */
  async awaited(tenant: string, approval: string): Promise<void> {
    const event = this.decided.get(`${tenant}\n${approval}`);
    if (event) await this.bring(event);
  }

  /** Brings the decision to the run that waits for it in a partition of this process, if there is one. */
  private async bring(event: LedgerEvent): Promise<void> {
    const { tenant, subject: approval, actor, id: cause } = event;
    const command = answerOf(event);
    for (const { handle } of this.owners.local) {
      const run = (handle.model as RunModel).index.approvals.get(tenant, approval);
      if (!run) continue;
      // The wait is part of the id: a run may wait twice for one approval, and is to hear twice of it.
      const id = derivedId('cmd', cause, 'answer', run.id, String(lastCommitOf(run)));
      await this.runs.send({ tenant, actor, aggregate: 'run', subject: run.id, command, id, cause });
    }
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        this.follower = await this.ledger.follow({
          service: 'policy',
          partition: 0,
          from: this.from,
          onCommit: async ({ commit, events }) => {
            for (const event of events) if (ends.has(event.type)) await this.take(event);
            this.from = commit;
          },
        });
        await this.follower.closed;
      } catch (error) {
        if (!signal.aborted) this.log.warn({ err: error, from: this.from }, 'policy cannot be followed; trying again');
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  private async take(event: LedgerEvent): Promise<void> {
    this.decided.set(`${event.tenant}\n${event.subject}`, event);
    const [oldest] = this.decided.keys();
    if (this.decided.size > mostDecided && oldest !== undefined) this.decided.delete(oldest);
    try {
      await this.bring(event);
    } catch (error) {
      this.log.error({ err: error, approval: event.subject }, 'an answer could not be brought to its run');
    }
  }
}

const ends: ReadonlySet<string> = new Set(['approval.decided.v1', 'approval.expired.v1']);

function answerOf({ type, subject: approval, data }: LedgerEvent): Extract<RunCommand, { type: 'answer' }> {
  if (type === 'approval.expired.v1') return { type: 'answer', approval, expired: true, approved: false, content: {} };
  const { verdict, by, reason, value } = data as { verdict: string; by: string; reason?: string; value?: never };
  return {
    type: 'answer',
    approval,
    expired: false,
    approved: verdict === 'approve',
    by,
    ...(reason !== undefined && { reason }),
    content: value === undefined ? {} : { value },
  };
}
