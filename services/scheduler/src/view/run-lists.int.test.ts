import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openPostgres, readTenant, writeAllTenants } from '@writ/platform';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import { DataSource } from 'typeorm';
import { Scheduler0001 } from '../migrations/scheduler-0001.js';
import { Scheduler0003 } from '../migrations/scheduler-0003.js';
import { Scheduler0005 } from '../migrations/scheduler-0005.js';
import { encoded } from './attribute-value.js';
import { countOf, readGroup } from './run-count.js';
import { readFilter, readOrder, readPageToken, pageToken } from './run-filter.js';
import { pageOf, queryOf } from './run-query.js';
import { RunsTable } from './runs-table.js';

const runs = 100_000;
const limit = 50;
let backends: Backends;
let dataSource: DataSource;
let table: RunsTable;

/**
 * Runs 1 to 100,000, the larger the newer: of ten workflows and of one that has seven, most of them succeeded, few failed, fewer waiting; every
 * second with a customer of a thousand and an amount.
 */
const fill = `
  insert into runs (tenant, id, workflow, state, queue, agent, depth, digest, created_ms, ended_ms, entries, waits, partition, commit, parent, attributes)
  select 't', 'run_' || lpad(n::text, 7, '0'), case when n % 15000 = 1 then 'rare' else 'w' || n % 10 end,
    case when n % 1000 = 0 then 'failed' when n % 5000 = 2 then 'waiting' else 'succeeded' end, 'default', 'agt_1', 0, 'd', n,
    case when n % 5000 = 2 then null else n + 10 end, 3, '{"opens":[],"messages":[],"children":[],"paused":null}', n % 16, n,
    case when n % 20000 = 3 then 'run_0000001' end, case when n % 2 = 0 then jsonb_build_object('customer', 'c' || n % 1000, 'amount', n % 500) end
  from generate_series(1, ${runs}) n;
  insert into run_attributes select 't', id, 'customer', 's' || (attributes->>'customer'), created_ms, partition from runs where attributes is not null;
  insert into run_attributes
    select 't', id, 'amount', 'n' || case when (attributes->>'amount')::float8 = 0 then '8000000000000000'
      else to_hex((get_byte(b, 0) | 128)) || substr(encode(b, 'hex'), 3) end, created_ms, partition
    from (select *, float8send((attributes->>'amount')::float8) as b from runs where attributes is not null) as numbered;
  insert into run_counts select tenant, workflow, state, partition, count(*) from runs group by tenant, workflow, state, partition`;

beforeAll(async () => {
  backends = await startBackends();
  const migrations = [Scheduler0001, Scheduler0003, Scheduler0005];
  dataSource = await openPostgres({ url: backends.postgresUrl, schema: 'scheduler', entities: [], migrations });
  await dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await manager.query(fill);
  });
  // As the autovacuum does by and by; a service's own role may not.
  const owner = await new DataSource({ type: 'postgres', url: backends.postgresUrl }).initialize();
  for (const name of ['runs', 'run_attributes', 'run_counts']) await owner.query(`vacuum analyze scheduler.${name}`);
  await owner.destroy();
  table = new RunsTable(dataSource);
}, 60_000);
afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
});

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** Rows that a statement touched, in all of its nodes. */
async function touched(text: string, values: unknown[]): Promise<number> {
  const [row] = await readTenant(dataSource, 't', (manager) =>
    manager.query<[{ 'QUERY PLAN': [{ Plan: Plan }] }]>(`explain (analyze, format json) ${text}`, values),
  );
  const sum = (plan: Plan): number =>
    (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'] +
    (plan.Plans ?? []).reduce((all, each) => all + sum(each), 0);
  return sum(row['QUERY PLAN'][0].Plan);
}

describe(`of ${runs} runs`, () => {
  test.each([
    ['', ''],
    ['', 'create_time'],
    ['state = waiting', ''],
    ['state = failed', ''],
    ['workflow = rare', ''],
    ['workflow = w3 AND state = succeeded', ''],
    ['parent = run_0000001', ''],
    ['create_time > "1970-01-01T00:01:39Z"', 'create_time'],
    ['attributes.customer = "c42"', ''],
    ['attributes.customer = "c42" AND attributes.amount > 40', ''],
    ['attributes.amount >= 490', 'attributes.amount desc'],
    ['', 'attributes.amount'],
    ['state != failed', 'attributes.customer'],
  ])('those with %s, by %s, are found without reading the others', async (text, orderBy) => {
    verifies('scheduler.find_runs');
    const [filter, order] = [readFilter(text), readOrder(orderBy)];
    const query = queryOf('t', filter, order);
    const page = pageOf(query, order, undefined, limit);
    const read = await touched(`select runs.* from ${query.from} where ${query.where}${page}`, query.values);
    expect(read).toBeLessThan(20 * limit);
  });

  test.each([
    ['', '', runs],
    ['', 'state', runs],
    ['workflow = rare', 'state', 7],
    ['state = waiting', 'workflow', 20],
    ['attributes.customer = "c42"', '', 100],
    ['attributes.customer = "c42" AND state = succeeded', 'workflow', 100],
    ['', 'attributes.customer', runs / 2],
  ])('those with %s, by %s, are counted', async (text, groupBy, expected) => {
    verifies('scheduler.count_runs');
    const [filter, group] = [readFilter(text), readGroup(groupBy)];
    const { runs: counted, groups } = await table.counts('t', filter, group);
    expect(counted).toBe(expected);
    if (groupBy) expect(groups.reduce((sum, each) => sum + each.runs, 0)).toBe(expected);
    const { text: statement, values } = countOf('t', filter, group);
    // What is grouped by an attribute alone reads its index; all others read few rows.
    if (groupBy !== 'attributes.customer') expect(await touched(statement, values)).toBeLessThan(2000);
  });

  test('pages follow each other in every order, without a run twice and without a gap', async () => {
    for (const [text, orderBy, expected] of [
      ['workflow = rare', '', 7],
      ['state = failed', 'create_time', 100],
      ['attributes.customer = "c42"', 'attributes.amount desc', 100],
      ['attributes.amount < 2', 'attributes.amount', 200],
    ] as const) {
      const [filter, order] = [readFilter(text), readOrder(orderBy)];
      const seen: string[] = [];
      const values: unknown[] = [];
      for (let token = ''; ;) {
        const rows = await table.list('t', { filter, order, limit: 9, after: readPageToken(token, order) });
        seen.push(...rows.map(({ id }) => id));
        values.push(...rows.map(({ attributes, created_ms }) => attributes?.[order.attribute ?? ''] ?? created_ms));
        const last = rows.at(-1);
        if (!last || rows.length < 9) break;
        const attribute = last.attributes?.[order.attribute ?? ''];
        const value = attribute === undefined ? undefined : encoded.of(attribute);
        token = pageToken({ createdMs: last.created_ms, id: last.id, ...(value !== undefined && { value }) });
      }
      expect([new Set(seen).size, seen.length]).toEqual([expected, expected]);
      const sorted = (values as number[]).toSorted((a, b) => (order.descending ? b - a : a - b));
      expect(values).toEqual(sorted);
    }
  });
});
