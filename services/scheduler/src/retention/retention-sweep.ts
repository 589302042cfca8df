import { steadyNow, type CommandClient, type Logger } from '@writ/ledger';
import { derivedId } from '@writ/ledger/domain';
import type { BatchCommand } from '../batch/batch.js';
import type { Definition } from '../batch/batch.events.js';
import { schedulerActor } from '../partition/partition-owner.js';
import { readFilter } from '../view/run-filter.js';
import type { RunsTable } from '../view/runs-table.js';
import { expired } from './retention.js';
import type { RetentionRow, RetentionTable } from './retention.view.js';

export interface SweepParts {
  runs: CommandClient;
  table: Pick<RunsTable, 'counts'>;
  retention: Pick<RetentionTable, 'all'>;
  /** Each tenant is swept by who owns the partition of its rules. */
  owns(partition: number): boolean;
  everyMs: number;
  log: Logger;
}

/** From time to time creates the batches that delete what is too old. Two who do that create the same ones. */
export class RetentionSweep {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: SweepParts) {}

  start(): void {
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private arm(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.sweep().finally(() => this.arm()), this.parts.everyMs).unref();
  }

  private async sweep(): Promise<void> {
    try {
      for (const row of await this.parts.retention.all())
        if (this.parts.owns(row.partition)) await this.sweepTenant(row);
    } catch (err) {
      if (!this.stopped) this.parts.log.warn({ err }, 'what is too old could not be looked for; it is tried again');
    }
  }

  private async sweepTenant({ tenant, retention: { rules, by } }: RetentionRow): Promise<void> {
    const { runs, table, everyMs } = this.parts;
    for (const { filter, state, workflow, cutMs } of expired(rules, steadyNow(), everyMs)) {
      const { runs: found } = await table.counts(tenant, readFilter(filter));
      if (found === 0) continue;
      const definition: Definition = {
        action: { type: 'delete' },
        filter,
        reason: `retention, as ${by} set it`,
        expected: found,
        by: schedulerActor,
        grant: [{ type: 'writ', actions: ['run.delete'] }],
      };
      const subject = derivedId('bat', tenant, state, workflow, String(cutMs));
      const command: BatchCommand = { type: 'create', definition };
      await runs.send({
        tenant,
        actor: schedulerActor,
        aggregate: 'batch',
        subject,
        command,
        id: derivedId('cmd', subject),
      });
    }
  }
}
