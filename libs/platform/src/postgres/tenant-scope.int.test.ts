import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import pg from 'pg';
import type { DataSource, QueryRunner } from 'typeorm';
import { openPostgres } from './postgres.js';
import { overAllTenants, readAllTenants, readTenant, writeAllTenants } from './tenant-scope.js';

class Note0001 {
  readonly name = 'Note0001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE note (tenant text NOT NULL, id text, PRIMARY KEY (tenant, id))');
  }
}

let backends: Backends;
let notes: DataSource;
const open = (schema: string, url = backends.postgresUrl) =>
  openPostgres({ url, schema, entities: [], migrations: [Note0001] });
const unfiltered = 'SELECT tenant, id FROM note ORDER BY tenant, id';
const insert = (tenant: string, id: string) =>
  ['INSERT INTO note VALUES ($1, $2)', [tenant, id]] satisfies [string, string[]];

beforeAll(async () => {
  backends = await startBackends();
  notes = await open('notes');
  await notes.transaction(async (manager) => {
    await writeAllTenants(manager);
    for (const tenant of ['tnt_1', 'tnt_2']) await manager.query(...insert(tenant, 'same'));
  });
});
afterAll(async () => {
  await notes?.destroy();
  await backends?.stop();
});

describe('a query that forgets the tenant', () => {
  test('sees the rows of the tenant that its transaction names, and no others', async () => {
    verifies('tenants.row_level_security');
    expect(await readTenant(notes, 'tnt_2', (manager) => manager.query(unfiltered))).toEqual([
      { tenant: 'tnt_2', id: 'same' },
    ]);
    expect(await readTenant(notes, `tnt_1' OR '1'='1`, (manager) => manager.query(unfiltered))).toEqual([]);
    expect(await readAllTenants(notes, (manager) => manager.query(unfiltered))).toHaveLength(2);
  });

  test('sees nothing where no tenant is named, also after the connection has served one', async () => {
    verifies('tenants.row_level_security');
    for (let i = 0; i < 20; i++) {
      await readTenant(notes, 'tnt_1', (manager) => manager.query(unfiltered));
      expect(await notes.query(unfiltered)).toEqual([]);
    }
    await expect(readTenant(notes, 'tnt_1', (manager) => manager.query('SELECT 1 / 0'))).rejects.toThrow(/division/);
    expect(await Promise.all(Array.from({ length: 8 }, () => notes.query(unfiltered)))).toEqual(Array(8).fill([]));
    for (const nobody of ['', '*'])
      expect(() => readTenant(notes, nobody, (manager) => manager.query(unfiltered))).toThrow(/not the id of a tenant/);
  });

  test('writes nothing', async () => {
    const written = readTenant(notes, 'tnt_1', (manager) => manager.query(...insert('tnt_1', 'new')));
    await expect(written).rejects.toThrow(/read-only/);
    await expect(notes.query(...insert('tnt_1', 'new'))).rejects.toThrow(/row-level security/);
    expect(await notes.query('UPDATE note SET id = $1', ['new'])).toEqual([[], 0]);
    expect(await notes.query('DELETE FROM note')).toEqual([[], 0]);
  });
});

test('a projection writes the rows of all tenants, and begins again over all of them', async () => {
  const view = overAllTenants({
    name: 'notes',
    apply: async (events, manager) => {
      for (const { event } of events) await manager.query(...insert(event.tenant, event.id));
    },
    reset: (_partition, manager) => manager.query(`DELETE FROM note WHERE id <> 'same'`),
  });
  const position = { service: 'memory', partition: 0, commit: 1, index: 0 } as const;
  const event = { tenant: 'tnt_3', id: 'evt_1' } as never;
  await notes.transaction((manager) => view.apply([{ event, position }], manager));
  expect(await readTenant(notes, 'tnt_3', (manager) => manager.query(unfiltered))).toHaveLength(1);
  await notes.transaction((manager) => view.reset?.(0, manager) as Promise<void>);
  expect(await readTenant(notes, 'tnt_3', (manager) => manager.query(unfiltered))).toEqual([]);
});

describe('the role of a service', () => {
  test('is no superuser, owns nothing, and does not reach the schema of another', async () => {
    verifies('tenants.service_role');
    await using other = await disposable(open('others'));
    const [role] = await other.query(
      `SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS mighty,
         (SELECT count(*)::int FROM pg_class WHERE relowner = pg_roles.oid) AS owned FROM pg_roles WHERE rolname = session_user`,
    );
    expect(role).toEqual({ mighty: false, owned: 0 });
    await expect(other.query('SELECT * FROM notes.note')).rejects.toThrow(/permission denied for schema notes/);
    for (const statement of [
      'CREATE TABLE mine (id text)',
      'ALTER TABLE note DISABLE ROW LEVEL SECURITY',
      'DROP POLICY writ_tenant_1 ON note',
      'ALTER TABLE note ADD COLUMN more text',
    ])
      await expect(other.query(statement)).rejects.toThrow(/permission denied|must be owner/);
    await expect(other.query('SET ROLE writ')).rejects.toThrow(/permission denied/);
  });

  test('gets a new password with the owner, and what is connected goes on', async () => {
    verifies('tenants.service_role');
    const owner = new pg.Client({ connectionString: backends.postgresUrl });
    await owner.connect();
    const name = `owner_${new URL(backends.postgresUrl).pathname.slice(1)}`;
    try {
      await owner.query(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD 'another'`);
      const url = new URL(backends.postgresUrl);
      [url.username, url.password] = [name, 'another'];
      await using again = await disposable(open('notes', url.href));
      for (const each of [notes, again])
        expect(await readTenant(each, 'tnt_1', (manager) => manager.query(unfiltered))).toHaveLength(1);
    } finally {
      await owner.query(`DROP ROLE ${name}`);
      await owner.end();
    }
  });

  test('that row-level security does not bind is not worked with', async () => {
    verifies('tenants.service_role');
    const owner = new pg.Client({ connectionString: backends.postgresUrl });
    await owner.connect();
    const role = `${new URL(backends.postgresUrl).pathname.slice(1)}_mighty`;
    try {
      await owner.query(`CREATE ROLE "${role}" BYPASSRLS`);
      await expect(open('mighty')).rejects.toThrow(/row-level security does not bind .*_mighty; take SUPERUSER/);
    } finally {
      await owner.end();
    }
  });
});

async function disposable(opening: Promise<DataSource>): Promise<DataSource & AsyncDisposable> {
  const dataSource = await opening;
  return Object.assign(dataSource, { [Symbol.asyncDispose]: () => dataSource.destroy() });
}
