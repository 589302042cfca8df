import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Json, LedgerEvent } from '@writ/ledger/domain';
import { openPostgres, writeAllTenants } from '@writ/platform';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Scheduler0001 } from '../migrations/scheduler-0001.js';
import { Scheduler0003 } from '../migrations/scheduler-0003.js';
import { Scheduler0005 } from '../migrations/scheduler-0005.js';
import { runsProjection, RunsTable } from './runs-table.js';

let backends: Backends;
let dataSource: DataSource;
beforeAll(async () => {
  backends = await startBackends();
  const migrations = [Scheduler0001, Scheduler0003, Scheduler0005];
  dataSource = await openPostgres({ url: backends.postgresUrl, schema: 'scheduler', entities: [], migrations });
});
afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
});

const event = (type: string, data: Json): LedgerEvent => ({
  specversion: '1.0', id: 'evt_1', type, source: 'scheduler/00', subject: 'run_1', data, tenant: 'tnt_1', cause: 'cmd_1',
  time: '2026-01-01T00:00:00.000Z', actor: { principal: 'agt_1', kind: 'agent' },
}); // prettier-ignore
const apply = (...events: LedgerEvent[]) =>
  dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await runsProjection.apply(
      events.map((each, index) => ({
        event: each,
        position: { service: 'scheduler', partition: 0, commit: 1, index },
      })),
      manager,
    );
  });

test('what PostgreSQL cannot hold stops nothing', async () => {
  verifies('platform.storable');
  const bad = 'a\u0000\ud800';
  await apply(
    event('run.started.v1', {
      workflow: bad,
      version: bad,
      queue: bad,
      agent: 'agt_1',
      depth: 0,
      digest: 'd',
      input: {},
    }),
    event('run.message_received.v1', { message: bad, content: { value: bad } }),
  );
  await apply(event('run.failed.v1', { error: { code: 'error', message: bad, details: { [bad]: [bad] } } }));
  expect(await new RunsTable(dataSource).find('tnt_1', 'run_1')).toMatchObject({
    workflow: 'a\ufffd\ufffd',
    state: 'failed',
    error: { message: 'a\ufffd\ufffd', details: { 'a\ufffd\ufffd': ['a\ufffd\ufffd'] } },
  });
});

test('many runs whose events come in turns are each written whole, and counted', async () => {
  const ids = Array.from({ length: 250 }, (_, at) => `many_${at}`);
  const of = (type: string, data: Json) => ids.map((subject) => ({ ...event(type, data), subject }));
  const started = { workflow: 'many', version: 'v1', queue: 'q', agent: 'agt_1', depth: 0, digest: 'd', input: {} };
  await apply(...of('run.started.v1', started), ...of('run.message_received.v1', { message: 'm', content: {} }));
  await apply(...of('run.message_received.v1', { message: 'n', content: {} }), ...of('run.succeeded.v1', {}).slice(1));
  const table = new RunsTable(dataSource);
  const rows = await Promise.all(ids.map((id) => table.find('tnt_1', id)));
  expect(rows.map((row) => row?.entries)).toEqual(ids.map(() => 2));
  expect(rows.map((row) => row?.state)).toEqual(ids.map((_, at) => (at === 0 ? 'queued' : 'succeeded')));
  const counted: unknown = await dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    return manager.query(`select state, runs::int from run_counts where workflow = 'many' and runs > 0 order by state`);
  });
  expect(counted).toEqual([
    { state: 'queued', runs: 1 },
    { state: 'succeeded', runs: 249 },
  ]);
});
