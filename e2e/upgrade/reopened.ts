/** What must be true of an installation that was opened again: by later code, or out of a backup. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import { verify } from '@writ/sdk';
import { eventually, projectRoot } from '@writ/testkit';
import { Rest } from '../demo/rest.js';
import { connectAgent } from './agent.js';
import { readAll, runs, type History, type Tenant } from './history.js';
import { file, refund, workflows } from './workflows.js';

/** The fixture, in a folder of its own. */
export function unpacked(target: string): { data: string; views: string; history: History } {
  mkdirSync(target);
  execFileSync('tar', ['-C', target, '-xzf', path.join(projectRoot, 'e2e/upgrade/6bbff83.tar.gz')]);
  const read = (file: string) => readFileSync(path.join(target, file), 'utf8');
  return {
    data: path.join(target, 'data'),
    views: read('views.sql'),
    history: JSON.parse(read('history.json')) as History,
  };
}

/** What was there reads as it did; later fields may have come, and the record goes on. */
export async function expectTheSame(
  url: string,
  { tenants, answers }: Pick<History, 'tenants' | 'answers'>,
): Promise<void> {
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

export async function expectARecordThatHolds(url: string, history: History): Promise<void> {
  const rest = new Rest(url, (history.tenants[0] as Tenant).person);
  expect(await rest.post('/v1/audit/integrity:check', {})).toMatchObject({ integrity: { problems: [] } });
  // Its tree may have to be built again.
  const { bundle } = await eventually(() => rest.get<{ bundle: string }>(`/v1/audit/bundle?run=${runs.finished}`), {
    timeoutMs: 20_000,
    what: 'a bundle with a checkpoint',
  });
  for (const each of [history.bundle, bundle])
    expect(await verify(each, { log: history.verifierKey })).toMatchObject({ ok: true });
}

export async function finishWhatWaits(url: string, { person: key, agent }: Tenant): Promise<void> {
  const [person, clerk] = [new Rest(url, key), new Rest(url, agent)];
  await using writ = connectAgent(url, agent);
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
