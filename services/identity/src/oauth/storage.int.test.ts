import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openPostgres } from '@writ/platform';
import { startBackends, type Backends } from '@writ/testkit';
import type { AdapterFactory } from 'oidc-provider';
import type { DataSource } from 'typeorm';
import { Identity0001 } from '../migrations/0001-identity.js';
import { Identity0002 } from '../migrations/0002-tenants.js';
import { memoryStorage } from './storage.fake.js';
import { postgresStorage, sweepStorage } from './storage.js';

let backends: Backends;
let dataSource: DataSource;
const storages: Record<string, () => AdapterFactory> = {
  memory: () => memoryStorage(),
  postgres: () => postgresStorage(dataSource),
};

beforeAll(async () => {
  backends = await startBackends();
  dataSource = await openPostgres({
    url: backends.postgresUrl,
    schema: 'identity',
    entities: [],
    migrations: [Identity0001, Identity0002],
  });
});
afterAll(async () => {
  await dataSource.destroy();
  await backends.stop();
});

describe.each(['memory', 'postgres'])('storage in %s', (name) => {
  let storage: AdapterFactory;
  beforeAll(() => {
    storage = (storages[name] as () => AdapterFactory)();
  });

  test('gives back what was stored, until it expires, in each model for itself', async () => {
    const session = storage('Session');
    await session.upsert('a', { uid: 'u1', accountId: 'x' }, 60);
    await session.upsert('gone', { accountId: 'y' }, -1);
    expect(await session.find('a')).toEqual({ uid: 'u1', accountId: 'x' });
    expect(await session.findByUid('u1')).toEqual({ uid: 'u1', accountId: 'x' });
    expect(await session.find('gone')).toBeUndefined();
    expect(await storage('Interaction').find('a')).toBeUndefined();
    await session.upsert('a', { accountId: 'z' }, 60);
    expect(await session.find('a')).toEqual({ accountId: 'z' });
    await session.destroy('a');
    expect(await session.find('a')).toBeUndefined();
  });

  test('stores the id of an assertion once for each client, and does not say before that it has', async () => {
    const replay = storage('ReplayDetection');
    const stored = await Promise.allSettled(['a', 'a', 'a'].map((id) => replay.upsert(id, { iss: 'agt_1' }, 60)));
    expect(stored.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(replay.upsert('a', { iss: 'agt_1' }, 60)).rejects.toMatchObject({ error: 'invalid_client' });
    await replay.upsert('a', { iss: 'agt_2' }, 60);
    expect(await replay.find('a')).toBeUndefined();
  });

  test('marks what was consumed, and revokes by grant', async () => {
    const code = storage('AuthorizationCode');
    await code.upsert('a', { grantId: 'g1' }, 60);
    await code.consume('a');
    expect((await code.find('a'))?.consumed).toEqual(expect.any(Number));
    await code.revokeByGrantId('g1');
    expect(await code.find('a')).toBeUndefined();
    await storage('DeviceCode').upsert('d', { userCode: '1234' }, 60);
    expect(await storage('DeviceCode').findByUserCode('1234')).toEqual({ userCode: '1234' });
  });
});

test('what has expired is swept', async () => {
  const session = postgresStorage(dataSource)('Session');
  await sweepStorage(dataSource);
  await session.upsert('old', { accountId: 'x' }, -1);
  await session.upsert('kept', { accountId: 'x' }, 60);
  expect(await sweepStorage(dataSource)).toBe(1);
  expect(await session.find('kept')).toBeDefined();
});
