/** An installation that loses everything but its backup. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort, startNats } from '@writ/servers';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import { Rest } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { connectAgent } from '../upgrade/agent.js';
import { readAll, type History, type Tenant } from '../upgrade/history.js';
import { expectARecordThatHolds, expectTheSame, finishWhatWaits, unpacked } from '../upgrade/reopened.js';
import { file, report, workflows } from '../upgrade/workflows.js';

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

let folder: string;
let stack: OwnStack | undefined;
const at = (name: string) => path.join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-backup-'));
});

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The real program, in the folder of this test. */
async function writ(...argv: string[]): Promise<Ran> {
  return writWith({}, ...argv);
}

async function writWith(more: Record<string, string>, ...argv: string[]): Promise<Ran> {
  const { WRIT_URL: _url, NODE_OPTIONS: _options, ...own } = process.env;
  const env = { ...own, ...more };
  const program = path.join(projectRoot, 'libs/cli/bin/writ.js');
  const child = spawn(process.execPath, [program, ...argv], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

const witness = (url: string, name: string) => writ('--url', url, 'audit', 'witness', '--file', at(name));

/** More would only take longer to finish. */
const MOST_RUNS = 16;

/** Starts reports until it is told to stop. @returns how many were started */
async function work(url: string, { agent }: Tenant, signal: AbortSignal): Promise<number> {
  await using writ = connectAgent(url, agent);
  await using _worker = await writ.serve({ workflows, tools: [file] });
  let started = 0;
  while (!signal.aborted && started < MOST_RUNS)
    await Promise.all(
      Array.from({ length: 4 }, () => writ.start(report, { topic: 'a b' }, { id: `busy-${started++}` })),
    );
  return started;
}

/** A copy of the backup with one of its files changed. */
function spoiled(change: (copy: string) => void): string {
  const copy = at('spoiled');
  rmSync(copy, { recursive: true, force: true });
  cpSync(at('backup'), copy, { recursive: true });
  change(copy);
  return copy;
}

async function expectEveryBusyRunToEnd(url: string, { person, agent }: Tenant): Promise<number> {
  const reader = new Rest(url, person);
  await using writ = connectAgent(url, agent);
  await using _worker = await writ.serve({ workflows, tools: [file] });
  return await eventually(
    async () => {
      const answer = await reader.get<{ runs: { id: string; state: string }[] }>('/v1/runs?page_size=1000');
      const busy = answer.runs.filter(({ id }) => id.startsWith('busy-'));
      const open = busy.filter(({ state }) => state !== 'RUN_STATE_SUCCEEDED');
      if (open.length > 0) throw new Error(`${open.length} of ${busy.length}: ${JSON.stringify(open.slice(0, 3))}`);
      return busy.length;
    },
    { timeoutMs: 60_000, what: 'every run that was under way ends' },
  );
}

test('everything is lost, and comes back from a backup that was made under load: the record verifies, and runs go on', async () => {
  verifies('backup.restores', 'backup.secret', 'audit.witness');
  const { data, history } = unpacked(at('before'));
  const [busy, quiet] = history.tenants as [Tenant, Tenant];
  stack = await startStack(data);
  const before: Pick<History, 'tenants' | 'answers'> = {
    tenants: [quiet],
    answers: await readAll(stack.url, [quiet]),
  };
  expect(await witness(stack.url, 'early.json')).toMatchObject({ code: 0 });

  const enough = new AbortController();
  const working = work(stack.url, busy, enough.signal);
  const made = await writ('backup', at('backup'), '--data', data);
  enough.abort();
  const started = await working;
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining('private keys') });
  for (const name of readdirSync(at('backup'), { recursive: true }) as string[])
    expect([name, statSync(path.join(at('backup'), name)).mode & 0o077]).toEqual([name, 0]);
  const again = await writ('backup', at('backup'), '--data', data);
  expect(again).toMatchObject({ code: 6, err: expect.stringContaining('overwrites nothing') });
  await eventually(async () => (await witness(stack!.url, 'late.json')).code === 0);
  const inUse = await writ('restore', at('backup'), '--data', data);
  expect(inUse).toMatchObject({ code: 6, err: expect.stringContaining('is not empty') });
  await stack.stop();
  rmSync(data, { recursive: true });

  const restored = at('restored');
  expect(await writ('restore', at('backup'), '--data', restored)).toMatchObject({ code: 0 });
  stack = await startStack(restored, { flags: ['--port', String(await freePort())] });
  await expectTheSame(stack.url, before);
  await expectARecordThatHolds(stack.url, history);
  expect(await witness(stack.url, 'early.json')).toMatchObject({ code: 0, err: expect.stringContaining('only grown') });
  const ended = await expectEveryBusyRunToEnd(stack.url, busy);
  expect(ended).toBeGreaterThan(0);
  expect(ended).toBeLessThanOrEqual(started);
  for (const tenant of history.tenants) await finishWhatWaits(stack.url, tenant);
}, 180_000);

test('who kept a checkpoint that is newer than the backup notices what is lost', async () => {
  verifies('audit.witness', 'backup.restores');
  const { url } = stack as OwnStack;
  const said = await witness(url, 'late.json');
  expect(said).toMatchObject({ code: 10, err: expect.stringMatching(/proof\.(rolled_back|forked)/) });
});

test('a backup goes into an empty broker of its own, too, and not into one that has a ledger', async () => {
  verifies('backup.restores', 'backup.secret');
  const server = await startNats({ dataDir: at('broker'), durability: 'flush' });
  try {
    const elsewhere = { WRIT_NATS_URL: server.url };
    const { code, out } = await writWith(elsewhere, 'restore', at('backup'), '--data', at('files'), '--json');
    expect(code).toBe(0);
    const { commits } = JSON.parse(out) as { commits: number };
    const again = await writWith(elsewhere, 'backup', at('again'), '--data', at('files'), '--json');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.out)).toMatchObject({ commits });
    const twice = await writWith(elsewhere, 'restore', at('backup'), '--data', at('more-files'));
    expect(twice).toMatchObject({ code: 6, err: expect.stringContaining('has a stream') });
  } finally {
    await server.stop();
  }
}, 60_000);

test.each<[string, (copy: string) => void, RegExp]>([
  ['without its manifest', (copy) => rmSync(path.join(copy, 'manifest.json')), /no complete backup/],
  [
    'with another manifest',
    (copy) => {
      const name = path.join(copy, 'manifest.json');
      writeFileSync(name, readFileSync(name, 'utf8').replace('writ-backup', 'writ-backups'));
    },
    /manifest\.json was changed or cut off/,
  ],
  [
    'with a stream that is cut off',
    (copy) => truncateSync(path.join(copy, 'streams/LEDGER_AUDIT_00.ndjson.gz'), 500),
    /LEDGER_AUDIT_00.* was changed or cut off/,
  ],
  [
    'without a key',
    (copy) => rmSync(path.join(copy, 'files/audit/key.pem')),
    /files\/audit\/key\.pem cannot be read: ENOENT/,
  ],
  [
    'with another secret',
    (copy) => writeFileSync(path.join(copy, 'files/secrets.json'), '{}'),
    /files\/secrets\.json was changed or cut off/,
  ],
])('a backup %s is refused with what is wrong, and nothing is written', async (_how, change, sentence) => {
  verifies('backup.damaged');
  const { code, err } = await writ('restore', spoiled(change), '--data', at('never'));
  expect([code, err]).toEqual([10, expect.stringMatching(sentence)]);
  expect(readdirSync(folder).filter((name) => name.startsWith('never'))).toEqual([]);
});
