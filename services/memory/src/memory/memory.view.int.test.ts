import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { openPostgres } from '@writ/platform';
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
  await dataSource.transaction((manager) => memoryView.apply([{ event, position }], manager));
  const shown = 'a\ufffd \ufffd';
  expect(await new MemoryQueries(dataSource).list('tnt_1', shown, 10)).toMatchObject([
    { id: 'mem_1', text: shown, attributes: { [shown]: [shown] } },
  ]);
});
