/** `writ doctor` on a real installation in which real things are broken: it says which, and what mends them. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import { startStack, type OwnStack } from '../demo/stack.js';
import type { Tenant } from '../upgrade/history.js';
import { unpacked } from '../upgrade/reopened.js';

interface Finding {
  check: string;
  state: 'ok' | 'note' | 'problem';
  found: string;
  fix?: string;
}

let folder: string;
let data: string;
let tenant: Tenant;
let stack: OwnStack | undefined;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-doctor-'));
  const { data: unpackedTo, history } = unpacked(path.join(folder, 'fixture'));
  data = unpackedTo;
  tenant = history.tenants[0] as Tenant;
  writeFileSync(path.join(folder, 'person.key.json'), JSON.stringify(tenant.person), { mode: 0o600 });
});

afterAll(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The real program's JSON and exit code, with the environment of a machine on which `env` is different. */
async function writ<T>(env: Record<string, string>, ...argv: string[]): Promise<{ code: number | null; body: T }> {
  const program = path.join(projectRoot, 'libs/cli/bin/writ.js');
  const { NODE_OPTIONS: _options, WRIT_URL: _url, ...own } = process.env;
  const child = spawn(process.execPath, [program, ...argv, '--json'], {
    cwd: folder,
    env: { ...own, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { body: JSON.parse(await text(child.stdout)) as T, code: await ended };
}

async function doctor(env: Record<string, string> = {}, ...argv: string[]) {
  const { code, body } = await writ<{ checks: Finding[] }>(env, 'doctor', '--data', data, ...argv);
  const problems = body.checks.filter(({ state }) => state === 'problem');
  return { code, problems, of: (name: string) => body.checks.filter(({ check }) => check === name) };
}

/** Changes one byte of the text in the file where the broker keeps the stream. */
function flipByte(stream: string, text: string): void {
  const broker = path.join(data, 'nats');
  for (const name of readdirSync(broker, { recursive: true }) as string[]) {
    if (!name.includes(`${stream}/msgs/`) || !name.endsWith('.blk')) continue;
    const block = readFileSync(path.join(broker, name));
    const at = block.indexOf(text);
    block[at] = (block[at] as number) ^ 1;
    writeFileSync(path.join(broker, name), block);
  }
}

test('a stack that does not run, a key that others can read and a port that is taken are each said, with what mends them', async () => {
  verifies('doctor.says');
  const secret = path.join(data, 'identity/secret');
  chmodSync(secret, 0o644);
  const { port } = JSON.parse(readFileSync(path.join(data, 'secrets.json'), 'utf8')) as { port: number };
  const squatter = createServer().listen(port, '127.0.0.1');
  const { code, of } = await doctor();
  squatter.close();
  expect(code).toBe(10);
  expect(of('stack')).toEqual([
    { check: 'stack', state: 'problem', found: 'none runs on it', fix: `npm start -- --data ${data}` },
  ]);
  expect(of('secrets')).toMatchObject([{ state: 'problem', fix: `chmod 600 ${secret}` }]);
  expect(of('port')).toMatchObject([{ state: 'note', found: expect.stringContaining(String(port)) }]);
  chmodSync(secret, 0o600);
});

test('a host without bubblewrap, git and a current nats-server is told so', async () => {
  verifies('doctor.says');
  const { of } = await doctor({ PATH: '/nowhere', WRIT_NATS_SERVER: '/nowhere/nats-server' });
  for (const name of ['bubblewrap', 'git', 'nats-server'])
    expect(of(name)).toMatchObject([{ state: 'problem', fix: expect.any(String) }]);
});

test('a damaged ledger is named by partition and commit, and so is what waits for a person', async () => {
  verifies('doctor.says', 'audit.flipped_byte');
  flipByte('LEDGER_MEMORY_01', 'memory.remembered');
  stack = await startStack(data);
  const key = path.join(folder, 'person.key.json');
  const found = await eventually(
    async () => {
      const now = await doctor({}, '--url', stack!.url, '--key-file', key);
      return now.of('record').some(({ state }) => state === 'problem') && now;
    },
    { timeoutMs: 60_000, what: 'audit has looked at the whole ledger' },
  );
  expect(found.code).toBe(10);
  expect(found.of('record')).toContainEqual(
    expect.objectContaining({
      state: 'problem',
      found: expect.stringMatching(/commits? \d+.* of memory\/01 went into the record/),
    }),
  );
  expect(found.of('service memory')).toContainEqual(
    expect.objectContaining({
      found: expect.stringContaining('the ledger of memory/01 is damaged'),
      fix: expect.stringContaining('writ audit check'),
    }),
  );
  const checked = await writ<{ integrity: { problems: object[] } }>(
    {},
    'audit',
    'check',
    '--url',
    stack.url,
    '--key-file',
    key,
  );
  expect(checked.code).toBe(10);
  expect(checked.body.integrity.problems).toContainEqual(expect.objectContaining({ service: 'memory', partition: 1 }));
  expect(found.of('stack')).toMatchObject([{ state: 'ok' }]);
  expect(found.of('approvals')).toMatchObject([{ found: expect.stringMatching(/\d/) }]);
  expect(found.of('tools')).toContainEqual(
    expect.objectContaining({ found: expect.stringContaining('notes/burn is new') }),
  );
  expect(found.problems.every(({ fix }) => fix)).toBe(true);
}, 120_000);
