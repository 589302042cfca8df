/** A data folder that an earlier version has written, opened by this one. How it was made: `upgrade/make.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startPostgres } from '@writ/servers';
import { verifies } from '@writ/testkit';
import pg from 'pg';
import { Rest } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { expectARecordThatHolds, expectTheSame, finishWhatWaits, unpacked } from '../upgrade/reopened.js';

let folder: string;
let stack: OwnStack | undefined;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-upgrade-'));
});

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The tables as the earlier version has left them, with their rows. */
async function restoreViews(data: string, sql: string): Promise<void> {
  const server = await startPostgres({ dataDir: path.join(data, 'postgres') });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(sql.replace(/^\\.*$/gm, '')); // psql's own commands
  await client.end();
  await server.stop();
}

test('a data folder of an earlier version opens: the same answers, a record that verifies, and runs that go on', async () => {
  verifies('standalone.upgrade');
  const { data, views, history } = unpacked(path.join(folder, 'with-views'));
  await restoreViews(data, views);
  stack = await startStack(data);
  await expectTheSame(stack.url, history);
  await expectARecordThatHolds(stack.url, history);
  for (const tenant of history.tenants) {
    await expect(new Rest(stack.url, tenant.revoked).accessToken()).rejects.toThrow(/invalid_client/);
    await finishWhatWaits(stack.url, tenant);
  }
  await stack.stop();
  stack = undefined;
}, 120_000);

test('and so it does without its views, which are built again from the ledger', async () => {
  verifies('standalone.upgrade');
  const { data, history } = unpacked(path.join(folder, 'without-views'));
  stack = await startStack(data);
  await expectTheSame(stack.url, history);
  await expectARecordThatHolds(stack.url, history);
}, 120_000);
