import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { verifies } from '@writ/testkit';
import { emptyFolder, startWrit, writ } from './testing/writ.js';

let place: Awaited<ReturnType<typeof emptyFolder>>;
beforeAll(async () => {
  place = await emptyFolder();
});
afterAll(async () => place[Symbol.asyncDispose]());
const run = (...args: string[]) => writ(args, { cwd: place.folder });

describe('help', () => {
  test('of the program stands on stdout and exits 0', async () => {
    verifies('cli.help');
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatchSnapshot();
  });

  test('loads nothing but the tables and the parser', async () => {
    verifies('cli.start');
    const spy = path.join(place.folder, 'spy.mjs');
    await writeFile(
      spy,
      `import { registerHooks } from 'node:module';
       registerHooks({ resolve(specifier, context, next) {
         const found = next(specifier, context);
         process.stderr.write(found.url + '\\n');
         return found;
       } });`,
    );
    const options = { cwd: place.folder, env: { NODE_OPTIONS: `--import ${spy}` } };
    const { err } = await writ(['--help'], options);
    const loaded = err.split('\n').filter((url) => url.startsWith('file:') && !/\/infra\/|@swc/.test(url));
    expect(loaded.length).toBeGreaterThan(20);
    const foreign = loaded.filter((url) => !url.includes('/libs/cli/src/') && !url.includes('/commander/'));
    expect(foreign).toEqual([]);
    expect(loaded.filter((url) => url.includes('.actions.'))).toEqual([]);
    process.stderr.write(`  writ --help from source: ${await timed(() => run('--help'))} ms\n`);
  });
});

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return Math.round(performance.now() - begun);
}

test('a command line that is not right exits 2, says so on stderr and leaves stdout empty', async () => {
  verifies('cli.usage');
  const { code, out, err } = await run('run', 'list', '--jsn');
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toBe("error: unknown option '--jsn' (cli.usage)\n  try   Did you mean --json?  writ run list --help\n");
  const json = await run('run', 'lst', '--json');
  expect({ code: json.code, out: json.out }).toEqual({ code: 2, out: '' });
  expect(JSON.parse(json.err)).toMatchObject({ type: 'urn:writ:error:cli.usage', detail: "unknown command 'lst'" });
  const noun = await run('run');
  expect({ code: noun.code, out: noun.out }).toEqual({ code: 2, out: '' });
  expect(noun.err).toContain('watch <id>');
});

test('nobody to call as is told with what to do, and exits 4', async () => {
  const { code, err } = await run('run', 'list');
  expect(code).toBe(4);
  expect(err).toMatch(/^error: there is no identity.*\(auth\.missing_token\)\n {2}try .*--key-file/);
});

describe('completion', () => {
  test.each([
    [['run', 'l'], ['list']],
    [
      ['run', 'list', '--state', ''],
      ['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish', 'powershell'],
    ],
  ])('after %j', async (words, expected) => {
    verifies('cli.completion');
    const { out } = await run('complete', '--', ...words);
    const suggested = out.split('\n').filter((line) => line !== '' && !line.startsWith(':'));
    expect(suggested.map((line) => line.split('\t')[0])).toEqual(expected);
  });

  test.each(['bash', 'zsh', 'fish'])('there is a script for %s', async (shell) => {
    const { code, out } = await run('completion', shell);
    expect(code).toBe(0);
    expect(out).toContain('writ complete --');
  });
});

test('the link of npm runs it on the pinned Node, whatever `node` is', async () => {
  const bin = path.join(place.folder, 'package/bin');
  await Promise.all([
    mkdir(bin, { recursive: true }),
    mkdir(path.join(place.folder, 'node_modules/.bin'), { recursive: true }),
  ]);
  const pinned = path.join(place.folder, 'node_modules/.bin/node');
  await writeFile(pinned, '#!/bin/sh\necho pinned "$@"\nexit 7\n');
  await chmod(pinned, 0o755);
  const source = await readFile(new URL('../bin/writ.js', import.meta.url), 'utf8');
  // As an old Node would see itself.
  const old = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' });`;
  await writeFile(
    path.join(bin, 'writ.mjs'),
    source.replace('const wanted', `${old}\nconst wanted`).replace(/^#!.*/, ''),
  );
  await mkdir(path.join(place.folder, 'package/dist'), { recursive: true });
  await writeFile(path.join(place.folder, 'package/dist/main.js'), '');
  const { status, stdout } = spawnSync(process.execPath, [path.join(bin, 'writ.mjs'), 'run', 'list'], {
    encoding: 'utf8',
  });
  expect(stdout).toMatch(/^pinned .*dist\/main\.js run list\n$/);
  expect(status).toBe(7);
});

test('a reader that has enough ends it quietly', async () => {
  const { child, ended } = startWrit(['--help'], { cwd: place.folder });
  ended.catch(() => {}); // of the output that nobody reads
  child.stdout.destroy();
  const [err, code] = await Promise.all([text(child.stderr), new Promise((resolve) => child.once('exit', resolve))]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
});
