import type { Projection } from '@writ/ledger';
import { readTenant, storable, storableJson } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import { attributed, writeAttributes } from './run-attributes.js';
import { countOf, numbersOf, type RunGroup, type RunNumbers } from './run-count.js';
import { CountChanges } from './run-counts.js';
import type { RunCursor, RunFilter, RunOrder } from './run-filter.js';
import { pageOf, queryOf } from './run-query.js';
import { removeRuns } from './run-removal.js';
import { projectRuns, runViewName, type RunRow } from './run-view.js';

const columns =
  'tenant text, id text, workflow text, version text, state text, waiting_on text, queue text, agent text, parent text, ' +
  'depth int, digest text, created_ms bigint, ended_ms bigint, error jsonb, entries int, waits jsonb, partition int, commit bigint, ' +
  'attributes jsonb';
const names = columns.split(', ').map((column) => column.split(' ')[0] as keyof RunRow);
const arrays = columns.split(', ').map((column, at) => `$${at + 1}::${column.split(' ')[1]}[]`);
const updates = names.filter((name) => name !== 'tenant' && name !== 'id').map((name) => `${name} = excluded.${name}`);
// Columns, and not one JSON of all rows: that costs PostgreSQL nearly twice as much.
const upsert =
  `insert into runs (${names.join(', ')}) select * from unnest(${arrays.join(', ')}) ` +
  `on conflict (tenant, id) do update set ${updates.join(', ')}`;

// By the index, each of them: for a plain join PostgreSQL reads the whole table where it thinks that cheaper, 71 ms instead of 5 for 1,000 of 54,000.
const neededRows =
  'select found.* from unnest($1::text[], $2::text[]) as wanted (tenant, id) ' +
  'cross join lateral (select * from runs where tenant = wanted.tenant and id = wanted.id limit 1) as found';

type Events = Parameters<Projection['apply']>[0];

/** Between two slices whoever owns the runs goes on: all that come in half a second under load, at once, kept it waiting for 20 to 55 ms. */
const runsInSlice = 100;

const deletion = 'run.deleted.v1';

/** Keeps the table of runs, many events a statement, with the index of their attributes and their numbers. */
export const runsProjection: Projection = {
  name: runViewName,
  // A run of a few steps begins and ends within this time: one row is written, not five.
  restMs: 100,
  async apply(events, manager) {
    const runs = events.filter(({ event: { type } }) => type.startsWith('run.') && type !== deletion);
    const deleted = events.flatMap(({ event }) => (event.type === deletion ? [event] : []));
    const counts = new CountChanges();
    for (const some of inSlices(runs)) {
      const stored = await needed(some, manager);
      const before = new Map(stored.map((row) => [row, row.state]));
      const rows = projectRuns(some, stored);
      for (const row of rows) {
        const state = before.get(row);
        if (state === row.state) continue;
        if (state !== undefined) counts.add(row, state, -1);
        counts.add(row, row.state, 1);
      }
      if (rows.length > 0) await manager.query(upsert, columnsOf(rows));
      await writeAttributes(attributed(some, rows), manager);
    }
    await removeRuns(deleted, counts, manager);
    await counts.write(manager);
  },
  async reset(partition, manager) {
    for (const table of ['runs', 'run_attributes', 'run_counts', 'deleted_runs'])
      await manager.query(`delete from ${table} where partition = $1`, [partition]);
  },
};

/** All events of a run are in one slice, in their order: it is written once. */
function inSlices(events: Events): Events[] {
  const slices: Events[number][][] = [];
  const sliceOf = new Map<string, Events[number][]>();
  let last: Events[number][] = [];
  for (const each of events) {
    const key = `${each.event.tenant}\n${each.event.subject}`;
    let slice = sliceOf.get(key);
    if (!slice) {
      if (sliceOf.size % runsInSlice === 0) slices.push((last = []));
      sliceOf.set(key, (slice = last));
    }
    slice.push(each);
  }
  return slices;
}

function columnsOf(rows: readonly RunRow[]): unknown[][] {
  return names.map((name) =>
    rows.map((row) => {
      const value = row[name];
      if (typeof value === 'string') return storable(value);
      return typeof value === 'object' && value !== null ? storableJson(value) : value;
    }),
  );
}

/** Rows of the runs that were started before these events. */
async function needed(events: Events, manager: EntityManager): Promise<RunRow[]> {
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
  const found: unknown = await manager.query(neededRows, [tenants, ids]);
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

/** Which runs, in which order. */
export interface RunPage {
  readonly filter: RunFilter;
  /** Default: newest first. */
  readonly order?: RunOrder;
  readonly limit: number;
  readonly after?: RunCursor | undefined;
}

const newestFirst: RunOrder = { descending: true };

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

  /** When a run was deleted; undefined for one that was not. */
  async deletedAt(tenant: string, id: string): Promise<Date | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('select deleted_ms from deleted_runs where tenant = $1 and id = $2', [tenant, id]),
    );
    const [row] = rows as { deleted_ms: string }[];
    return row && new Date(Number(row.deleted_ms));
  }

  /** Those of these runs that have ended, deleted ones too. */
  async ended(tenant: string, ids: readonly string[]): Promise<Set<string>> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `select id from runs where tenant = $1 and id = any($2::text[]) and ended_ms is not null
         union all select id from deleted_runs where tenant = $1 and id = any($2::text[])`,
        [tenant, ids],
      ),
    );
    return new Set((rows as { id: string }[]).map(({ id }) => id));
  }

  /** The runs of a page, in the given order, behind the last one of the page before. */
  async list(tenant: string, { filter, order = newestFirst, limit, after }: RunPage): Promise<RunRow[]> {
    const query = queryOf(tenant, filter, order);
    const page = pageOf(query, order, after, limit);
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select runs.* from ${query.from} where ${query.where}${page}`, query.values),
    );
    return (rows as StoredRow[]).map(rowOf);
  }

  /** How many runs a filter finds, and how many of each value. */
  async counts(tenant: string, filter: RunFilter, group: RunGroup = { kind: 'all' }): Promise<RunNumbers> {
    const { text, values } = countOf(tenant, filter, group);
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) => manager.query(text, values));
    return numbersOf(rows as { total: string }[], group);
  }
}
