import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { findOldNatsServer, freePort, runningNats, runningPostgres, startNats, startPostgres } from './index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'writ-servers-')); // mode 0700: nobody else may pass through it
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function alive(pid: number): boolean {
  // A zombie answers to signal 0, and nobody may be there to bury it.
  const status = existsSync(`/proc/${pid}/stat`)
    ? execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'utf8' })
    : '';
  return status !== '' && !/\) Z /.test(status);
}

/** Says what a server says that joins by its route, and then asks for a sign of life. @returns the refusal */
async function joining(port: number, credentials: { user?: string; pass?: string }): Promise<string | undefined> {
  const socket = connect({ host: '127.0.0.1', port });
  const greeting = { verbose: false, pedantic: false, name: 'NINTRUDER', cluster: 'c', ...credentials };
  let said = '';
  socket.on('data', (data) => (said += data.toString())).on('error', () => {});
  socket.write(`CONNECT ${JSON.stringify(greeting)}\r\nPING\r\n`);
  await until(() => /^(-ERR|PONG)/m.test(said));
  socket.destroy();
  return /^-ERR '(.*)'/m.exec(said)?.[1];
}

describe('nats-server', () => {
  test('it serves, is found by another process, survives a kill and a pause, and is gone after stop', async () => {
    const dataDir = path.join(folder, 'nats');
    const server = await startNats({ dataDir });
    const config = await readFile(path.join(dataDir, 'nats.conf'), 'utf8');
    expect(server.durability).toBe('fsync');
    expect(config).toContain('"sync_interval": "always"');
    expect((await stat(path.join(dataDir, 'nats.conf'))).mode & 0o077).toBe(0);
    expect(await runningNats(dataDir)).toMatchObject({ url: server.url, pid: server.pid });
    await expect(startNats({ dataDir })).rejects.toThrow('already serves');

    const { url, pid } = server;
    await server.kill();
    expect(await runningNats(dataDir)).toBeUndefined();
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);

    await server.pause();
    expect(await runningNats(dataDir)).toBeUndefined(); // it accepts, and says nothing
    await server.resume();
    await until(async () => (await runningNats(dataDir)) !== undefined);

    await server.pause();
    await server.stop(); // a paused server, too
    expect(server.running).toBe(false);
    expect(existsSync(path.join(dataDir, 'nats.json'))).toBe(false);
  });

  test('who wants to join a cluster as a server of it must know its password', async () => {
    const [port, dataDir, password] = [await freePort(), path.join(folder, 'member'), 'of-the-members'];
    const cluster = { name: 'c', port, routes: [`nats://127.0.0.1:${port}`], password };
    const server = await startNats({ dataDir, cluster });
    expect(await joining(port, {})).toBe('Authorization Violation');
    expect(await joining(port, { user: 'member', pass: 'guessed' })).toBe('Authorization Violation');
    expect(await joining(port, { user: 'member', pass: password })).toBeUndefined();
    await server.stop();
  });

  test('an older server gives flush and says so', async () => {
    const old = await findOldNatsServer();
    if (!old) return console.warn('skipped: no nats-server 2.9 (WRIT_NATS_SERVER_OLD, or `npm run setup` on Debian)');
    await using server = await startNats({ dataDir: path.join(folder, 'old'), binary: old.path });
    expect(server.version).toMatch(/^2\.9\./);
    expect(server.durability).toBe('flush');
  });

  test('a server that cannot start says why', async () => {
    await using first = await startNats({ dataDir: path.join(folder, 'first') });
    const port = Number(new URL(first.url).port);
    const second = startNats({ dataDir: path.join(folder, 'second'), port });
    await expect(second).rejects.toThrow(/address already in use/);
  });
});

describe('PostgreSQL', () => {
  test('it serves from a folder that its account may not enter, keeps its data over a kill, and asks for a password', async () => {
    const dataDir = path.join(folder, 'postgres');
    const server = await startPostgres({ dataDir });
    expect(await query(server.url, "select to_tsvector('english', 'running') @@ 'run' as found")).toEqual([
      { found: true },
    ]);
    await query(server.url, 'create table kept (id int)');
    await expect(query(server.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(/password/);
    expect(await runningPostgres(dataDir)).toMatchObject({ pid: server.pid });

    await server.kill();
    await server.restart();
    expect(await query(server.url, 'select * from kept')).toEqual([]);
    await server.stop();
    expect(await runningPostgres(dataDir)).toBeUndefined();

    await using again = await startPostgres({ dataDir });
    expect(await query(again.url, 'select * from kept')).toEqual([]);
  });
});

test('servers die with a parent that was killed, and scratch data go with them', async () => {
  const home = path.join(folder, 'orphans');
  const program = `
    import { startNats, startPostgres } from ${JSON.stringify(path.resolve(import.meta.dirname, '../dist/index.js'))};
    const nats = await startNats({ dataDir: ${JSON.stringify(path.join(home, 'nats'))}, scratch: true });
    await nats.pause();
    const postgres = await startPostgres({ dataDir: ${JSON.stringify(path.join(home, 'pg'))}, scratch: true });
    console.log(JSON.stringify([nats.pid, postgres.pid]));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) =>
    parent.stdout.once('data', (data: Buffer) => resolve(data.toString())),
  );
  const pids = JSON.parse(line) as number[];
  expect(pids.every(alive)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !pids.some(alive));
  await until(() => !existsSync(path.join(home, 'nats')) && !existsSync(path.join(home, 'pg')), 20_000);
});
