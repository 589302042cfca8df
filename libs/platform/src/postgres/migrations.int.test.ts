import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackends, type Backends } from '@writ/testkit';
import type { QueryRunner } from 'typeorm';
import { openPostgres } from './postgres.js';

let backends: Backends;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

class Thing0001 {
  readonly name = 'Thing0001';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public');
    await runner.query('CREATE TABLE thing (id text)');
  }
}
class Thing0002 {
  readonly name = 'Thing0002';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE thing ADD COLUMN name text');
  }
}
const open = (schema: string, migrations: (typeof Thing0001 | typeof Thing0002)[]) =>
  openPostgres({ url: backends.postgresUrl, schema, entities: [], migrations });

describe('migrations', () => {
  test('of replicas and services that start at once are applied once each, in order', async () => {
    const all = await Promise.all(
      ['one', 'one', 'one', 'two', 'two'].map((schema) => open(schema, [Thing0002, Thing0001])),
    );
    const rows = await all[0]?.query('SELECT name FROM one.migration ORDER BY applied, name');
    expect(rows).toEqual([{ name: 'Thing0001' }, { name: 'Thing0002' }]);
    await all[3]?.query('INSERT INTO thing (id, name) VALUES ($1, $2)', ['a', 'b']);
    expect(await all[4]?.query('SELECT * FROM two.thing')).toEqual([{ id: 'a', name: 'b' }]);
    await Promise.all(all.map((each) => each.destroy()));
  });

  test('later ones are applied to what is there', async () => {
    await (await open('three', [Thing0001])).destroy();
    const later = await open('three', [Thing0001, Thing0002]);
    expect(await later.query('SELECT name FROM thing')).toEqual([]);
    await later.destroy();
  });

  test('names without a number, and two with the same, stop the start', async () => {
    class Nameless {
      readonly name = 'Nameless';
      async up(): Promise<void> {}
    }
    class Other0001 extends Nameless {
      override readonly name = 'Other0001' as never;
    }
    await expect(open('four', [Nameless as never])).rejects.toThrow(/Nameless must end in its number/);
    await expect(open('four', [Thing0001, Other0001 as never])).rejects.toThrow(/two migrations/);
  });
});
