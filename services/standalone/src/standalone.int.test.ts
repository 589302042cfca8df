/** The embedded stack as a user starts it: `dist` has to be built. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '@writ/servers';
import {
  eventually,
  isRunning,
  processesBelow,
  processOf,
  projectRoot,
  verifies,
  type HostProcess,
} from '@writ/testkit';
import { saveSecrets, secretsOf } from './secrets.js';

interface Ready {
  url: string;
  grpc: string;
  durability: string;
  natsServer: string;
  operatorKeyFile: string;
  bootMs: number;
  pid: number;
}

const program = path.join(projectRoot, 'services/standalone/dist/main.js');
const names = ['identity', 'policy', 'scheduler', 'sandbox-runner', 'memory', 'tools', 'audit'];
const running = new Set<ChildProcess>();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-standalone-'));
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Program {
  readonly out: string[] = [];
  readonly err: string[] = [];
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(...argv: string[]) {
    const { WRIT_TEST_POSTGRES: _lent, ...env } = process.env;
    this.child = spawn(process.execPath, [program, ...argv], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.out.push(line));
    createInterface({ input: this.child.stderr! }).on('line', (line) => this.err.push(line));
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code) => {
        running.delete(this.child);
        resolve(code);
      }),
    );
  }

  async ready(): Promise<Ready> {
    const first = () => this.out[0] ?? (this.child.exitCode !== null && 'ended');
    const line = await eventually(first, { timeoutMs: 60_000, what: 'the stack is ready' });
    if (line === 'ended') throw new Error(`it ended instead: ${this.err.join('\n')}`);
    return (JSON.parse(line) as { ready: Ready }).ready;
  }

  /** Its exit code. @throws Error that says what still runs, where it does not end */
  async gone(): Promise<number | null> {
    const here = [processOf(this.pid) ?? [], processesBelow(this.pid)].flat();
    let code: { is: number | null } | undefined;
    void this.ended.then((is) => (code = { is }));
    try {
      return (await eventually(() => code, { timeoutMs: 60_000, what: 'the end of the stack' })).is;
    } catch (cause) {
      const left = here.filter(isRunning).map(({ pid, command }) => `${pid} ${command.slice(0, 120)}`);
      throw new Error(`these go on: ${left.join(' | ')}; it said ${this.err.join('\n')}`, { cause });
    }
  }

  get pid(): number {
    return this.child.pid as number;
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** One password for each service, in files of this user alone, and on no command line. */
function expectSecretsKept(data: string, processes: readonly HostProcess[]): void {
  verifies('standalone.secrets');
  const { natsPasswords } = JSON.parse(readFileSync(path.join(data, 'secrets.json'), 'utf8')) as {
    natsPasswords: Record<string, string>;
  };
  expect(Object.keys(natsPasswords).sort()).toEqual(['gateway', ...names].sort());
  expect(new Set(Object.values(natsPasswords)).size).toBe(8);
  for (const file of ['secrets.json', 'operator.key.json', 'nats/nats.conf'])
    expect([file, statSync(path.join(data, file)).mode & 0o077]).toEqual([file, 0]);
  const commands = processes.map(({ command }) => command).join(' ');
  expect(commands).toContain('nats-server');
  for (const password of Object.values(natsPasswords)) expect(commands).not.toContain(password);
}

/** How services run, and the flags for it. */
const ways: [how: string, flags: string[]][] = [
  ['in one process', []],
  ['with a process for each service', ['--processes']],
];

/** Whether it has the port now. */
const isListening = (server: Server, port: number) =>
  new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
  });

const noneLeft = (keys: readonly HostProcess[]) =>
  eventually(() => keys.filter(isRunning).length === 0, { timeoutMs: 30_000, what: 'no process is left' });

describe('the embedded stack', () => {
  test.each(ways)(
    '%s serves, stops when it is told, and leaves nothing behind',
    async (_name, flags) => {
      verifies('standalone.serves', 'standalone.leaves_nothing');
      const data = path.join(folder, `data${flags.length}`);
      const first = new Program('--json', '--data', data, ...flags);
      const ready = await first.ready();
      expect(first.out).toHaveLength(1);
      const health = await fetch(`${ready.url}/health/ready`);
      expect(health.status).toBe(200);
      expect(await health.json()).toMatchObject({
        complete: true,
        services: names.map((name) => ({ name, replicas: 1 })),
        durability: ready.durability,
        natsServer: ready.natsServer,
      });
      const { services } = (await (await fetch(`${ready.url}/health/services`)).json()) as { services: object[] };
      expect(services).toHaveLength(8);
      const key = JSON.parse(readFileSync(ready.operatorKeyFile, 'utf8')) as { client_id: string };
      expect(key.client_id).toBe('operator');
      expect(JSON.parse(readFileSync(path.join(data, 'stack.json'), 'utf8'))).toMatchObject({ url: ready.url });

      const second = new Program('--json', '--data', data);
      expect(await second.ended).toBe(1);
      expect(second.out).toEqual([]);
      expect(second.err).toEqual([
        expect.stringMatching(`already runs on ${data}: process ${ready.pid}, at ${ready.url}\\. .*--data`),
      ]);

      const below = processesBelow(ready.pid);
      expect(below.length).toBeGreaterThan(flags.length > 0 ? 10 : 2);
      expectSecretsKept(data, [processOf(ready.pid) ?? [], below].flat());
      first.send('SIGTERM');
      expect([await first.gone(), first.err]).toEqual([0, []]);
      await noneLeft(below);
      expect(existsSync(path.join(data, 'stack.json'))).toBe(false);
    },
    120_000,
  );

  test.each(ways)(
    '%s leaves no process behind when it is killed, and starts again on the same data and port',
    async (_name, flags) => {
      const data = path.join(folder, 'killed');
      const first = new Program('--json', '--data', data, ...flags);
      const before = await first.ready();
      const below = processesBelow(before.pid);
      first.send('SIGKILL');
      await first.gone();
      const again = new Program('--json', '--data', data); // at once, as a supervisor would
      const after = await again.ready();
      expect([after.url, after.pid === before.pid]).toEqual([before.url, false]);
      await noneLeft(below);
      again.send('SIGINT');
      expect(await again.gone()).toBe(0);
    },
    120_000,
  );

  test.each(ways)(
    '%s takes another port where somebody takes that of last time while it starts',
    async (_name, flags) => {
      const data = path.join(folder, `lost-port${flags.length}`);
      const port = await freePort();
      await saveSecrets(data, { ...(await secretsOf(data)), port });
      const stack = new Program('--data', data, ...flags);
      await eventually(() => stack.err.some((line) => line.includes('nats-server')), { timeoutMs: 60_000 });
      const holder = createServer();
      await eventually(() => isListening(holder, port), { timeoutMs: 5000, what: 'the port is held' });
      const url = await eventually(() => /http:\/\/127\.0\.0\.1:\d+/.exec(stack.out.join('\n'))?.[0], {
        timeoutMs: 60_000,
      });
      expect(stack.err).toContain(`  port ${port} of last time is taken; another one is used`);
      expect(url).not.toContain(`:${port}`);
      expect(await (await fetch(`${url}/health/ready`)).json()).toMatchObject({ complete: true });
      stack.send('SIGTERM');
      expect(await stack.gone()).toBe(0);
      await new Promise((resolve) => holder.close(resolve));
    },
    120_000,
  );

  test('one that is told to stop while it starts stops well, and leaves nothing behind either', async () => {
    const child = new Program('--json', '--data', path.join(folder, 'early'));
    const below = await eventually(() => {
      const now = processesBelow(child.pid);
      return now.length >= 3 && now;
    });
    child.send('SIGTERM');
    expect(await child.ended).toBe(0);
    await noneLeft(below);
  }, 60_000);
});

describe('the command line', () => {
  const run = async (...argv: string[]) => {
    const child = new Program(...argv);
    return { code: await child.ended, out: child.out.join('\n'), err: child.err.join('\n') };
  };

  test('--help tells every flag, on stdout', async () => {
    const { code, out, err } = await run('--help');
    expect([code, err]).toEqual([0, '']);
    for (const flag of ['--data', '--port', '--processes', '--log', '--json', 'Examples:']) expect(out).toContain(flag);
  });

  test.each([
    [['--bogus'], /Unknown option '--bogus'/],
    [['everything'], /Unexpected argument 'everything'/],
    [['--port', 'abc'], /^--port \(or WRIT_PORT\): .*number/],
    [['--port', '70000'], /^--port \(or WRIT_PORT\): .*65535/],
    [['--log', 'loud'], /^--log \(or WRIT_LOG_LEVEL\): .*silent/],
  ])('%j is refused with a sentence, the usage, and exit code 2', async (argv, sentence) => {
    const { code, out, err } = await run(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(sentence);
    expect(err).toContain('Usage:');
  });

  test('a port that is taken is a sentence too, and nothing stays behind', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const { code, err } = await run(
      '--json',
      '--log',
      'silent',
      '--data',
      path.join(folder, 'port'),
      '--port',
      String(port),
    );
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`^Writ did not start: .*${port}`));
    expect(err.split('\n')).toHaveLength(1);
    await new Promise((resolve) => holder.close(resolve));
  }, 60_000);
});
