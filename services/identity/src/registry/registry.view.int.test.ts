import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newId, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { openPostgres, readAllTenants, writeAllTenants } from '@writ/platform';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Identity0001 } from '../migrations/0001-identity.js';
import { Identity0002 } from '../migrations/0002-tenants.js';
import { keyOf, may } from '../testing/partition.js';
import { PrincipalRow, registryEntities } from './registry.entities.js';
import { RegistryQueries } from './registry.queries.js';
import { registryProjection } from './registry.view.js';

let backends: Backends;
let dataSource: DataSource;
let queries: RegistryQueries;
let second = 0;

const event = (type: string, subject: string, data: unknown): LedgerEvent => ({
  specversion: '1.0', id: newId('evt'), type, source: 'identity/00', subject, data: data as Json, tenant: 'tnt_1', cause: 'cmd_1',
  time: new Date(1_800_000_000_000 + second++ * 1000).toISOString(), actor: { principal: 'psn_1', kind: 'person' },
}); // prettier-ignore
const apply = (events: readonly LedgerEvent[]) =>
  dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await registryProjection.apply(
      events.map((each, index) => ({ event: each, position: { service: 'identity', partition: 0, commit: 1, index } })),
      manager,
    );
  });
const issued = (run: string, chain: string[] = [], agent = 'agt_1') =>
  event('grant.issued.v1', run, { run, agent, chain, details: [may(['run.read'])], depth: 0 });
const closed = (run: string) => event('grant.closed.v1', run, { run });
const revoked = (subject: string, kind: string, epoch: number) =>
  event('revocation.issued.v1', subject, { subject, kind, reason: 'test', epoch });
const created = (id: string) => event('agent.created.v1', id, { name: id, capabilities: [], key: keyOf(id) });

beforeAll(async () => {
  backends = await startBackends();
  dataSource = await openPostgres({
    url: backends.postgresUrl,
    schema: 'identity',
    entities: registryEntities,
    migrations: [Identity0001, Identity0002],
  });
  queries = new RegistryQueries(dataSource);
});
afterAll(async () => {
  await dataSource.destroy();
  await backends.stop();
});
beforeEach(() =>
  dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    await registryProjection.reset?.(0, manager);
  }),
);

test('what PostgreSQL cannot hold stops nothing', async () => {
  verifies('platform.storable');
  const bad = 'a\u0000\ud800';
  const capabilities = [{ type: 'writ', actions: ['run.read'], resources: [bad] }];
  await apply([
    event('tenant.created.v1', 'tnt_2', { name: bad }),
    event('person.created.v1', 'psn_2', { name: bad, groups: [bad], owner: bad, capabilities, key: keyOf('psn_2') }),
    event('person.capabilities_set.v1', 'psn_2', { capabilities }),
    event('grant.issued.v1', 'run_9', { run: 'run_9', agent: bad, chain: [bad], details: capabilities, depth: 0 }),
    event('revocation.issued.v1', 'run_9', { subject: 'run_9', kind: 'run', reason: bad, epoch: 9 }),
  ]);
  expect(await queries.principal('tnt_1', 'person', 'psn_2')).toMatchObject({
    name: 'a\ufffd\ufffd',
    capabilities: [{ resources: ['a\ufffd\ufffd'] }],
  });
  expect(await queries.revokedRuns('9')).toEqual(['run_9']);
});

describe('grants', () => {
  test('are there while they are open, in whatever batches they come', async () => {
    await apply([issued('run_1'), issued('run_2'), closed('run_1'), issued('run_3'), closed('run_3'), issued('run_3')]);
    await apply([closed('run_2')]);
    expect(await queries.runsBelow('tnt_1', 'agt_1')).toEqual(['run_3']);
  });

  test('know the revocation that took them, and only those that were there before it', async () => {
    await apply([
      issued('run_1'),
      issued('run_2', ['run_1', 'agt_1'], 'agt_2'),
      issued('run_3', [], 'agt_2'),
      revoked('run_1', 'run', 1),
      issued('run_4', ['run_3']),
    ]);
    expect(await queries.revokedRuns('1')).toEqual(['run_1', 'run_2']);
    expect(await queries.runsBelow('tnt_1', 'agt_2')).toEqual(['run_3']);
    await apply([revoked('agt_2', 'agent', 2)]);
    expect(await queries.revokedRuns('2')).toEqual(['run_3']);
    expect(await queries.revokedRuns('1')).toEqual(['run_1', 'run_2']);
  });

  test('of two tenants may have the same run id', async () => {
    await apply([issued('run_1'), { ...issued('run_1'), tenant: 'tnt_2' }, closed('run_1')]);
    expect(await queries.runsBelow('tnt_1', 'agt_1')).toEqual([]);
    expect(await queries.runsBelow('tnt_2', 'agt_1')).toEqual(['run_1']);
    expect(await queries.tenantOf('run_1')).toBe('tnt_2');
    await apply([issued('run_1')]);
    expect(await queries.tenantOf('run_1')).toBeUndefined();
  });

  test('come by the thousand', async () => {
    await apply(Array.from({ length: 5_000 }, (_, i) => issued(`run_${i}`)));
    expect(await queries.runsBelow('tnt_1', 'agt_1')).toHaveLength(5_000);
  });
});

test('an agent’s row follows its keys, its capabilities and its revocation', async () => {
  await apply([
    created('agt_1'),
    event('agent.key_added.v1', 'agt_1', keyOf('second')),
    event('agent.key_retired.v1', 'agt_1', { kid: 'agt_1-key' }),
  ]);
  await apply([event('agent.capabilities_set.v1', 'agt_1', { capabilities: [may(['run.*'])] })]);
  expect(await queries.client('agt_1')).toMatchObject({
    tenant: 'tnt_1',
    kind: 'agent',
    keys: [keyOf('second')],
    version: 4,
  });
  await apply([revoked('agt_1', 'agent', 1)]);
  expect(await queries.client('agt_1')).toBeUndefined();
  expect(await queries.principal('tnt_1', 'agent', 'agt_1')).toMatchObject({
    state: 'revoked',
    capabilities: [may(['run.*'])],
  });
  await expect(queries.principal('tnt_2', 'agent', 'agt_1')).rejects.toMatchObject({
    code: 'identity.agent_not_found',
  });
});

test('nobody in a revoked tenant is a client', async () => {
  await apply([event('tenant.created.v1', 'tnt_1', { name: 'first' }), created('agt_1')]);
  expect(await queries.client('agt_1')).toBeDefined();
  await apply([revoked('tnt_1', 'tenant', 1)]);
  expect(await queries.client('agt_1')).toBeUndefined();
});

test('pages have every row once, also where many came in the same millisecond', async () => {
  const events = Array.from({ length: 7 }, (_, i) => ({ ...created(`agt_${i}`), time: '2026-11-23T10:00:00.000Z' }));
  await apply(events);
  const seen: string[] = [];
  for (let pageToken = ''; ;) {
    const page = await queries.principals('tnt_1', 'agent', { pageSize: 3, pageToken });
    seen.push(...page.rows.map(({ id }) => id));
    pageToken = page.nextPageToken;
    if (pageToken === '') break;
  }
  expect(seen).toEqual(['agt_6', 'agt_5', 'agt_4', 'agt_3', 'agt_2', 'agt_1', 'agt_0']);
  expect(await readAllTenants(dataSource, (manager) => manager.getRepository(PrincipalRow).count())).toBe(7);
});
