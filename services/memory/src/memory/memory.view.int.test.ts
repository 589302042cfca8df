import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { openPostgres, writeAllTenants } from '@writ/platform';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Memory0001 } from '../migrations/0001-memory.js';
import { MemoryQueries, memoryView } from './memory.view.js';

let backends: Backends;
let dataSource: DataSource;
beforeAll(async () => {
  backends = await startBackends();
  const migrations = [Memory0001];
  dataSource = await openPostgres({ url: backends.postgresUrl, schema: 'memory', entities: [], migrations });
});
afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
});

test('what PostgreSQL cannot hold stops nothing', async () => {
  verifies('platform.storable');
  const bad = 'a\u0000 \ud800';
  const event: LedgerEvent = {
    specversion: '1.0', id: 'evt_1', type: 'memory.remembered.v1', source: 'memory/00', subject: 'mem_1', tenant: 'tnt_1', cause: 'cmd_1',
    time: '2026-01-01T00:00:00.000Z', actor: { principal: 'agt_1', kind: 'agent' }, data: { scope: bad, text: bad, attributes: { [bad]: [bad] } },
  }; // prettier-ignore
  const position = { service: 'memory', partition: 0, commit: 1, index: 0 } as const;
  await dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await memoryView.apply([{ event, position }], manager);
  });
  const shown = 'a\ufffd \ufffd';
  expect(await new MemoryQueries(dataSource).list('tnt_1', shown, 10)).toMatchObject([
    { id: 'mem_1', text: shown, attributes: { [shown]: [shown] } },
  ]);
});

test('a search that takes too long is refused, and the connection is good for the next', async () => {
  verifies('memory.search_bounded');
  const words = (count: number) => Array.from({ length: count }, (_, at) => `word${at * 7919}`).join(' ');
  await dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await manager.query(
      `INSERT INTO memory (tenant, id, scope, text, attributes, agent, created, partition)
       SELECT 'tnt_1', 'mem_large_' || at, 'large', $1, '{}', 'agt_1', now(), 0 FROM generate_series(1, 20) AS at`,
      [words(5_000)],
    );
  });
  const hurried = new MemoryQueries(dataSource, 20);
  await expect(hurried.search('tnt_1', 'large', words(300), 10)).rejects.toMatchObject({
    code: 'memory.search_too_long',
  });
  expect(await dataSource.query('SELECT pg_sleep(0.05)')).toHaveLength(1);
  expect(await new MemoryQueries(dataSource).search('tnt_1', 'large', 'word7919', 3)).toHaveLength(3);
});
