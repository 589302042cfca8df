import type { Projection } from '@writ/ledger';
import { readTenant, storableJson } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { RunFilter } from './run-filter.js';
import { projectRuns, runViewName, type RunRow } from './run-view.js';

const columns =
  'tenant text, id text, workflow text, version text, state text, waiting_on text, queue text, agent text, parent text, ' +
  'depth int, digest text, created_ms bigint, ended_ms bigint, error jsonb, entries int, waits jsonb, partition int, commit bigint';
const names = columns.split(', ').map((column) => column.split(' ')[0] as string);
const updates = names.filter((name) => name !== 'tenant' && name !== 'id').map((name) => `${name} = excluded.${name}`);
const upsert =
  `insert into runs (${names.join(', ')}) select ${names.join(', ')} from jsonb_to_recordset($1::jsonb) as row (${columns}) ` +
  `on conflict (tenant, id) do update set ${updates.join(', ')}`;

/** Keeps the table of runs, many events a statement. */
export const runsProjection: Projection = {
  name: runViewName,
  // A run of a few steps begins and ends within this time: one row is written, not five.
  restMs: 100,
  async apply(events, manager) {
    const runs = events.filter(({ event }) => event.type.startsWith('run.'));
    if (runs.length === 0) return;
    const rows = projectRuns(runs, await needed(runs, manager));
    if (rows.length > 0) await manager.query(upsert, [storableJson(rows)]);
  },
  async reset(partition, manager) {
    await manager.query('delete from runs where partition = $1', [partition]);
  },
};

/** Rows of the runs that were started before these events. */
async function needed(events: Parameters<Projection['apply']>[0], manager: EntityManager): Promise<RunRow[]> {
  const seen = new Set<string>();
  const tenants: string[] = [];
  const ids: string[] = [];
  for (const { event } of events) {
    const key = `${event.tenant}\n${event.subject}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (event.type === 'run.started.v1') continue;
    tenants.push(event.tenant);
    ids.push(event.subject);
  }
  if (ids.length === 0) return [];
  const found: unknown = await manager.query(
    'select runs.* from runs join unnest($1::text[], $2::text[]) as wanted (tenant, id) using (tenant, id)',
    [tenants, ids],
  );
  return (found as StoredRow[]).map(rowOf);
}

/** `bigint` columns come as text. */
type StoredRow = Omit<RunRow, 'created_ms' | 'ended_ms' | 'commit'> & {
  created_ms: string;
  ended_ms: string | null;
  commit: string;
};

function rowOf(row: StoredRow): RunRow {
  const { created_ms, ended_ms, commit } = row;
  return {
    ...row,
    created_ms: Number(created_ms),
    ended_ms: ended_ms === null ? null : Number(ended_ms),
    commit: Number(commit),
  };
}

/** Reads of the table of runs. */
export class RunsTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<RunRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('select * from runs where tenant = $1 and id = $2', [tenant, id]),
    );
    const [row] = rows as StoredRow[];
    return row && rowOf(row);
  }

  /** Those of these runs that have ended. */
  async ended(tenant: string, ids: readonly string[]): Promise<Set<string>> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('select id from runs where tenant = $1 and id = any($2::text[]) and ended_ms is not null', [
        tenant,
        ids,
      ]),
    );
    return new Set((rows as { id: string }[]).map(({ id }) => id));
  }

  /** Newest first, after the given one. */
  async list(
    tenant: string,
    filter: RunFilter,
    limit: number,
    after?: { createdMs: number; id: string },
  ): Promise<RunRow[]> {
    const values: unknown[] = [tenant];
    const where = ['tenant = $1'];
    for (const [column, value] of Object.entries(filter)) where.push(`${column} = $${values.push(value)}`);
    if (after) where.push(`(created_ms, id) < ($${values.push(after.createdMs)}, $${values.push(after.id)})`);
    const order = `order by created_ms desc, id desc limit $${values.push(limit)}`;
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select * from runs where ${where.join(' and ')} ${order}`, values),
    );
    return (rows as StoredRow[]).map(rowOf);
  }
}
