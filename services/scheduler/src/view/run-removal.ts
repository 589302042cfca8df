import type { LedgerEvent } from '@writ/ledger/domain';
import type { EntityManager } from 'typeorm';
import type { RunState } from '../run/run-record.js';
import type { CountChanges } from './run-counts.js';

/** Takes the rows of deleted runs away, and what is indexed of them. What is left says that there was one, and where its record is. */
export async function removeRuns(
  deleted: readonly LedgerEvent[],
  counts: CountChanges,
  manager: EntityManager,
): Promise<void> {
  if (deleted.length === 0) return;
  const tenants = deleted.map(({ tenant }) => tenant);
  const ids = deleted.map(({ subject }) => subject);
  const gone: unknown = await manager.query(
    `with gone as (
       delete from runs using unnest($1::text[], $2::text[], $3::bigint[]) as deleted (tenant, id, ms)
       where runs.tenant = deleted.tenant and runs.id = deleted.id
       returning runs.tenant, runs.id, runs.workflow, runs.state, runs.partition, runs.commit, deleted.ms
     ), left_over as (
       insert into deleted_runs (tenant, id, partition, commit, deleted_ms)
       select tenant, id, partition, commit, ms from gone on conflict do nothing
     )
     select tenant, workflow, state, partition, count(*)::int as runs from gone group by tenant, workflow, state, partition`,
    [tenants, ids, deleted.map(({ time }) => Date.parse(time))],
  );
  for (const { state, runs, ...row } of gone as Gone[]) counts.add(row, state, -runs);
  await manager.query(
    `delete from run_attributes using unnest($1::text[], $2::text[]) as deleted (tenant, id)
     where run_attributes.tenant = deleted.tenant and run_attributes.id = deleted.id`,
    [tenants, ids],
  );
}

interface Gone {
  tenant: string;
  workflow: string;
  state: RunState;
  partition: number;
  runs: number;
}
