import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appendFile, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import { alive } from '../command/call.js';
import { emptyFolder, startWrit, writ, type Ran } from '../testing/writ.js';

const bootMs = 120_000;
const worker = (version: number) => `
import { connect, workflow } from '@writ/sdk';
const greet = workflow({ name: 'greet', async run(ctx, name) {
  const greeting = await ctx.step('greet', () => 'hello, ' + name);
  if (name === 'nobody') throw new Error('nobody is there');
  if (name === 'Eve') await ctx.ask({ title: 'May I greet ' + name + '?' });
  return { greeting, version: ${version} };
} });
await using writ = connect();
await using serving = await writ.serve({ workflows: [greet] });
console.log('version ${version} serves');
await serving.closed;
`;

let place: Awaited<ReturnType<typeof emptyFolder>>;
let dev: ReturnType<typeof startWrit>;
const said: string[] = [];

/** The whole of Writ and a worker, as \`writ dev worker.ts\` starts them, with nothing told but the folder. */
beforeAll(async () => {
  place = await emptyFolder();
  // Where packages are found, for a program that stands outside of the project.
  await symlink(path.join(projectRoot, 'node_modules'), path.join(place.folder, 'node_modules'));
  await writeFile(path.join(place.folder, 'worker.ts'), worker(1));
  dev = startWrit(['dev', 'worker.ts'], { cwd: place.folder, env: { WRIT_RETENTION_SWEEP_MS: '1000' } });
  for (const stream of [dev.child.stdout, dev.child.stderr])
    createInterface(stream).on('line', (line) => said.push(line));
  await line(/version 1 serves/);
}, bootMs);

afterAll(async () => {
  dev.child.kill('SIGKILL'); // where a test has not stopped it; what it started dies with it
  await dev.ended;
  await place[Symbol.asyncDispose]();
}, bootMs);

function line(pattern: RegExp): Promise<string> {
  const find = () => said.find((each) => pattern.test(each));
  return eventually(() => find() ?? !alive(dev.child.pid as number), {
    timeoutMs: bootMs,
    what: `a line like ${pattern}`,
  }).then(() => {
    const found = find();
    if (found === undefined) throw new Error(`no line like ${pattern}; it wrote:\n${said.join('\n')}`);
    return found;
  });
}

const run = (...args: string[]): Promise<Ran> => writ(args, { cwd: place.folder });
const json = async <T>(...args: string[]): Promise<T> => {
  const { out, err } = await run(...args, '--json');
  if (out === '') throw new Error(err);
  return JSON.parse(out) as T;
};

test('every other command finds the stack, its project and its agent without being told', async () => {
  verifies('cli.dev');
  const status = await json<{
    ready: boolean;
    services: { service: string }[];
    record: { treeSize: string };
    who: { kind: string };
  }>('status');
  expect(status).toMatchObject({
    ready: true,
    durability: expect.stringMatching(/^(fsync|flush)$/),
    who: { kind: 'operator' },
  });
  expect(status.services.map(({ service }) => service)).toEqual(
    expect.arrayContaining([
      'audit',
      'gateway',
      'identity',
      'memory',
      'policy',
      'sandbox-runner',
      'scheduler',
      'tools',
    ]),
  );
  // The record is sealed each second: right after a start its tree may still be empty.
  await eventually(async () => Number((await json<typeof status>('status')).record.treeSize) > 0);
  const { checks } = await json<{ checks: { check: string; state: string }[] }>('doctor');
  expect(
    checks.filter(({ check }) => /^(writ|clock|token|service .*)$/.test(check)).every(({ state }) => state === 'ok'),
  ).toBe(true);
});

test('a run is started, watched to its end, and replayed', async () => {
  verifies('cli.run');
  const watched = await run('run', 'start', 'greet', '--input', '"Ada"', '--id', 'r1', '--watch');
  expect(watched).toMatchObject({ code: 0 });
  expect(watched.out).toMatch(/run\.started .*\n.*run\.step_completed .*\n.*run\.succeeded /s);
  expect(await run('run', 'start', 'greet', '--input', '"Ada"', '--id', 'r1')).toMatchObject({ code: 0, out: 'r1\n' });
  expect((await run('run', 'start', 'greet', '--input', '"Bob"', '--id', 'r1')).code).toBe(6);
  expect((await run('run', 'get', 'r1', '--result')).out).toBe('{\n  "greeting": "hello, Ada",\n  "version": 1\n}\n');
  expect((await run('run', 'start', 'greet', '--input', '"nobody"', '--wait')).code).toBe(8);
  expect((await run('run', 'replay', 'r1')).code).toBe(0);
  expect((await run('run', 'get', 'nope')).code).toBe(3);
  const { runs } = await json<{ runs: { id: string; state: string }[] }>('run', 'list', '--workflow', 'greet');
  expect(runs).toEqual(expect.arrayContaining([expect.objectContaining({ id: 'r1', state: 'RUN_STATE_SUCCEEDED' })]));
});

test('the worker restarts when its file changes, and a waiting run goes on in the new one', async () => {
  verifies('cli.dev');
  await run('run', 'start', 'greet', '--input', '"Eve"', '--id', 'r2');
  const approval = await eventually(async () => (await run('approval', 'list', '-q')).out.trim(), {
    timeoutMs: 30_000,
  });
  await writeFile(path.join(place.folder, 'worker.ts'), worker(2));
  await line(/version 2 serves/);
  expect(await run('approval', 'approve', approval)).toMatchObject({ code: 0, out: `${approval}\n` });
  const { jsonResult } = await json<{ jsonResult: object }>(
    'run',
    'start',
    'greet',
    '--input',
    '"Eve"',
    '--id',
    'r2',
    '--wait',
  );
  expect(jsonResult).toEqual({ greeting: 'hello, Eve', version: 2 });
});

test('an exported bundle is verified offline, and one that was changed is found', async () => {
  verifies('cli.verify');
  const bundle = path.join(place.folder, 'r1.json');
  const { record } = await json<{ record: { verifierKey: string } }>('status');
  expect((await run('audit', 'export', '--run', 'r1', '--out', bundle)).code).toBe(0);
  const offline = (file: string) =>
    writ(['audit', 'verify', file, '--log-key', record.verifierKey, '--json'], { cwd: '/' });
  const good = await offline(bundle);
  expect(good.code).toBe(0);
  expect(JSON.parse(good.out)).toMatchObject({ ok: true, keyFrom: 'given' });
  const changed = path.join(place.folder, 'changed.json');
  await writeFile(changed, (await readFile(bundle, 'utf8')).replace('hello, Ada', 'hello, Eva'));
  const bad = await offline(changed);
  expect(bad.code).toBe(10);
  expect(JSON.parse(bad.out)).toMatchObject({ ok: false, problem: { code: 'proof.not_included' } });
  expect((await run('audit', 'verify', bundle)).code).toBe(2); // whose key?
  expect((await run('audit', 'verify', bundle, '--online')).code).toBe(0);
});

test('runs that have ended are archived with their proofs and values, and deleted by the name of the archive', async () => {
  verifies('run.archived');
  const { record } = await json<{ record: { verifierKey: string } }>('status');
  const archive = path.join(place.folder, 'old');
  const name = JSON.stringify('A'.repeat(100_000));
  expect((await run('run', 'start', 'greet', '--input', name, '--id', 'large', '--wait', '-q')).code).toBe(0);
  const written = await run('run', 'archive', archive, '--filter', 'workflow = greet', '--delete', '--yes', '--json');
  const { digest, ...held } = JSON.parse(written.out) as { digest: string; runs: number; deleted: number };
  expect({ ...held, code: written.code }).toMatchObject({ code: 0, deleted: held.runs, goingOn: 0 });
  expect(held.runs).toBeGreaterThan(1);

  const offline = (folder: string) =>
    writ(['audit', 'verify', folder, '--log-key', record.verifierKey, '--json'], { cwd: '/' });
  const good = await offline(archive);
  expect(JSON.parse(good.out)).toMatchObject({ ok: true, archived: { digest, runs: held.runs, missing: 0 } });
  const [value = ''] = await readdir(path.join(archive, 'values'));
  await appendFile(path.join(archive, 'values', value), ' ');
  const bad = await offline(archive);
  expect({ code: bad.code, ...(JSON.parse(bad.out) as object) }).toMatchObject({
    code: 10,
    problem: { code: 'cli.bad_archive', detail: expect.stringMatching(/^the value sha256:.* was changed$/) },
  });

  expect((await run('run', 'get', 'r1')).code).not.toBe(0);
  const { reason } = await eventually(async () => {
    const { events } = await json<{ events: { event: { data: { reason: string } } }[] }>(
      'audit', 'search', '--subject', 'r1', '--type', 'run.deleted.v1',
    ); // prettier-ignore
    return events[0]?.event.data;
  }); // audit follows
  expect(reason).toBe(`archived: ${digest}`);
}, 60_000);

test('what a cancelled run had asked is withdrawn, and retention deletes the run when it is old enough', async () => {
  verifies('approval.withdrawn', 'run.retention');
  const soon = { timeoutMs: 30_000 };
  const { id: asked } = await json<{ id: string }>('run', 'start', 'greet', '--input', '"Eve"');
  const approval = await eventually(async () => (await run('approval', 'list', '-q')).out.trim(), soon);
  expect(await run('run', 'cancel', asked, '--reason', 'enough')).toMatchObject({ code: 0 });
  await eventually(async () => (await run('approval', 'get', approval)).out.includes('withdrawn'), soon);
  expect((await run('retention', 'set', '[{"workflow":"greet","keep":"1s"}]', '--yes')).code).toBe(0);
  await eventually(async () => (await run('run', 'get', asked)).err.includes('run.deleted'), soon);
}, 60_000);

test('policies are checked, pushed under a version, and explained', async () => {
  verifies('cli.policy');
  const file = path.join(place.folder, 'no-write.cedar');
  await writeFile(
    file,
    '@id("no-write") @reason("nothing is written") forbid (principal, action == Writ::Action::"tool.call", resource);\npermit (principal, action, resource);',
  );
  const { version } = await json<{ version: string }>('policy', 'check', file);
  expect((await run('policy', 'push', file, '--dry-run')).code).toBe(0);
  expect((await run('policy', 'push', file, '--expect', 'sha256:other')).code).toBe(6);
  expect((await run('policy', 'push', file)).out).toBe(`${version}\n`);
  const ask = ['--principal', 'agt_1', '--action', 'tool.call', '--resource', 'Tool:files/write_file'];
  const decision = await eventually(async () => {
    const { code, out } = await run('policy', 'check', ...ask);
    return code === 10 && out;
  });
  expect(decision).toMatch(/outcome +deny\nwhy +nothing is written +policy no-write/);
});

test('a new agent holds what it was given and no more; revoked, it is refused', async () => {
  verifies('cli.revoke');
  expect((await run('agent', 'create', 'ci', '--can', 'run.read')).code).toBe(0);
  const as = (...args: string[]) => run('--key-file', 'ci.key.json', ...args);
  await eventually(async () => (await as('run', 'list')).code === 0);
  expect((await as('agent', 'list')).code).toBe(5);
  const { client_id: id } = JSON.parse(await readFile(path.join(place.folder, 'ci.key.json'), 'utf8')) as {
    client_id: string;
  };
  expect((await run('revoke', id, '--reason', 'test', '--yes')).code).toBe(0);
  expect((await as('run', 'list')).code).toBe(4);
});

test('Ctrl-C ends all of it, and nothing is left behind', async () => {
  verifies('cli.dev');
  const { pid } = JSON.parse(await readFile(path.join(place.folder, '.writ/stack.json'), 'utf8')) as { pid: number };
  const nats = JSON.parse(await readFile(path.join(place.folder, '.writ/nats/nats.json'), 'utf8')) as { pid: number };
  dev.child.kill('SIGINT');
  expect((await dev.ended).code).toBe(0);
  expect([pid, nats.pid].filter(alive)).toEqual([]);
  expect((await run('run', 'list')).code).toBe(4); // no stack, no identity
});
