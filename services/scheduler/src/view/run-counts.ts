import { storableJson } from '@writ/platform';
import type { EntityManager } from 'typeorm';
import type { RunRow } from './run-view.js';

/** How many runs came and went, by tenant, workflow, state and partition. */
export class CountChanges {
  private readonly changes = new Map<
    string,
    { tenant: string; workflow: string; state: string; partition: number; runs: number }
  >();

  add(
    { tenant, workflow, partition }: Pick<RunRow, 'tenant' | 'workflow' | 'partition'>,
    state: string,
    runs: number,
  ): void {
    const key = `${tenant}\n${workflow}\n${state}\n${partition}`;
    const change = this.changes.get(key);
    if (change) change.runs += runs;
    else this.changes.set(key, { tenant, workflow, state, partition, runs });
  }

  /** A partition has one writer, so no other transaction waits for these rows. */
  async write(manager: EntityManager): Promise<void> {
    const rows = [...this.changes.values()].filter(({ runs }) => runs !== 0);
    if (rows.length === 0) return;
    await manager.query(
      `insert into run_counts select * from jsonb_to_recordset($1::jsonb)
         as row (tenant text, workflow text, state text, partition int, runs bigint)
       on conflict (tenant, workflow, state, partition) do update set runs = run_counts.runs + excluded.runs`,
      [storableJson(rows)],
    );
  }
}
