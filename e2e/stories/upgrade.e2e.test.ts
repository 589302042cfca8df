/** A data folder that an earlier version has written, opened by this one. How it was made: `upgrade/make.ts`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, verify } from '@writ/sdk';
import { startPostgres } from '@writ/servers';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import pg from 'pg';
import { Rest } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { readAll, runs, type History, type Tenant } from '../upgrade/history.js';
import { file, refund, workflows } from '../upgrade/workflows.js';

let folder: string;
let stack: OwnStack | undefined;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-upgrade-'));
});

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The fixture, in a folder of its own. */
function unpacked(name: string): { data: string; views: string; history: History } {
  const target = path.join(folder, name);
  mkdirSync(target);
  execFileSync('tar', ['-C', target, '-xzf', path.join(projectRoot, 'e2e/upgrade/6bbff83.tar.gz')]);
  const read = (file: string) => readFileSync(path.join(target, file), 'utf8');
  return {
    data: path.join(target, 'data'),
    views: read('views.sql'),
    history: JSON.parse(read('history.json')) as History,
  };
}

/** The tables as the earlier version has left them, with their rows. */
async function restoreViews(data: string, sql: string): Promise<void> {
  const server = await startPostgres({ dataDir: path.join(data, 'postgres') });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(sql.replace(/^\\.*$/gm, '')); // psql's own commands
  await client.end();
  await server.stop();
}

/** What was there reads as it did; later fields may have come, and the record goes on. */
async function expectTheSame(url: string, { tenants, answers }: History): Promise<void> {
  const now = await eventually(
    async () => {
      const read = await readAll(url, tenants);
      return Object.entries(answers).every(([path, before]) => count(read[path]) >= count(before)) && read;
    },
    { timeoutMs: 30_000, what: 'the views are there' },
  );
  for (const [path, before] of Object.entries(answers)) {
    const after = now[path];
    if (path.endsWith('/v1/sandboxes')) expect(listed(after)).toMatchObject(listed(before).map(afterAStop));
    else if (path.includes('/v1/audit/')) expect(listed(after).slice(0, count(before))).toMatchObject(listed(before));
    else expect([path, after]).toMatchObject([path, before as object]);
  }
}

/** Whatever the answer lists. */
const listed = (answer: unknown): object[] => Object.values((answer ?? {}) as object).find(Array.isArray) ?? [];
const count = (answer: unknown): number => listed(answer).length;

/** Sandboxes end with the stack. */
function afterAStop(sandbox: object): object {
  return (sandbox as { state: string }).state === 'stopped'
    ? sandbox
    : { ...sandbox, state: 'stopped', reason: 'stopped' };
}

async function expectARecordThatHolds(url: string, history: History): Promise<void> {
  const rest = new Rest(url, (history.tenants[0] as Tenant).person);
  expect(await rest.post('/v1/audit/integrity:check', {})).toMatchObject({ integrity: { problems: [] } });
  const { bundle } = await rest.get<{ bundle: string }>(`/v1/audit/bundle?run=${runs.finished}`);
  for (const each of [history.bundle, bundle])
    expect(await verify(each, { log: history.verifierKey })).toMatchObject({ ok: true });
}

async function finishWhatWaits(url: string, { person: key, agent }: Tenant): Promise<void> {
  const [person, clerk] = [new Rest(url, key), new Rest(url, agent)];
  await using writ = connect({ url, token: () => clerk.accessToken() });
  await using _worker = await writ.serve({ workflows, tools: [file] });
  await person.post(`/v1/runs/${runs.waiting}:send`, {
    message: 'evidence',
    jsonData: { url: 'https://example.org/later' },
  });
  const asked = await eventually(
    async () => {
      const { approvals } = await person.get<{ approvals: { id: string; state: string }[] }>('/v1/approvals');
      const open = approvals.filter(({ state }) => state === 'requested');
      return open.length === 2 && open;
    },
    { timeoutMs: 20_000, what: 'both runs ask' },
  );
  for (const { id } of asked) await person.post(`/v1/approvals/${id}:decide`, { verdict: 'approve' });
  for (const id of [runs.waiting, runs.asking])
    expect(await writ.run(id, refund).result({ timeout: '20s' })).toEqual({
      refunded: 4250,
      order: id,
      by: key.client_id,
    });
  const called = await clerk.post('/v1/tools:call', { tool: 'notes/add', arguments: { text: 'x' } });
  expect(called).toMatchObject({ outcome: 'done', content: [{ type: 'text', text: 'noted x' }] });
}

test('a data folder of an earlier version opens: the same answers, a record that verifies, and runs that go on', async () => {
  verifies('standalone.upgrade');
  const { data, views, history } = unpacked('with-views');
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
  const { data, history } = unpacked('without-views');
  stack = await startStack(data);
  await expectTheSame(stack.url, history);
  await expectARecordThatHolds(stack.url, history);
}, 120_000);
