import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { eventually, startBackends, startProcess, verifies, type Backends } from './index.js';

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

describe('the backends of a suite', () => {
  let backends: Backends;
  beforeAll(async () => {
    backends = await startBackends();
  });
  afterAll(async () => backends.stop());

  test('NATS carries messages, and goes on after a pause and after a kill', async () => {
    const nc = await connect({ servers: backends.nats.url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
    nc.subscribe('echo', { callback: (_, message) => void message.respond(message.data) });
    const echo = async (): Promise<string> => (await nc.request('echo', 'hello', { timeout: 500 })).string();
    expect(await echo()).toBe('hello');
    await backends.nats.pause();
    await expect(echo()).rejects.toThrow();
    await backends.nats.resume();
    expect(await eventually(echo)).toBe('hello');
    await backends.nats.kill();
    await backends.nats.restart();
    expect(await eventually(echo)).toBe('hello');
    await nc.close();
  });

  test('another suite sees neither the database nor the subjects of this one, and its database is dropped', async () => {
    await query(backends.postgresUrl, 'create table mine (id int)');
    const other = await startBackends();
    expect(other.nats.url).not.toBe(backends.nats.url);
    await expect(query(other.postgresUrl, 'select * from mine')).rejects.toThrow(/does not exist/);
    expect(new URL(other.postgresUrl).host).toBe(new URL(backends.postgresUrl).host); // one server for the run
    const holder = new pg.Client({ connectionString: other.postgresUrl });
    holder.on('error', () => {});
    await holder.connect(); // a suite that forgot to close its pool
    await other.stop();
    await expect(query(other.postgresUrl, 'select 1')).rejects.toThrow(/does not exist/);
  });

  test('users are kept to their permissions', async () => {
    const users = [{ user: 'small', password: 'p', permissions: { publish: { deny: ['secret'] } } }];
    await using guarded = await startBackends({ users });
    await expect(connect({ servers: guarded.nats.url, reconnect: false })).rejects.toThrow();
    const nc = await connect({ servers: guarded.nats.url, user: 'small', pass: 'p' });
    const refused = (async () => {
      for await (const status of nc.status()) if (status.type === 'error') return String(status.error);
      return '';
    })();
    nc.publish('secret', 'x');
    expect(await refused).toMatch(/permission/i);
    await nc.close();
  });
});

describe('a process of the project', () => {
  test('it runs from source, is read line by line, is told things, and dies with its parent', async () => {
    await using middle = startProcess('libs/testkit/src/testing/parent.ts');
    verifies('servers.die_with_parent');
    const [, child, server] = await middle.line(/^child (\d+) server (\d+)$/);
    const pids = [Number(child), Number(server)];
    expect(pids.map(alive)).toEqual([true, true]);
    middle.write('hello\n');
    await middle.line(/^heard hello$/);
    await middle.kill();
    await eventually(() => !pids.some(alive), { what: 'the death of what it had started', timeoutMs: 15_000 });
  });

  test('a line that never comes fails with what was written instead', async () => {
    await using short = startProcess('libs/testkit/src/testing/parent.ts', { args: ['--exit'] });
    await expect(short.line(/^never$/)).rejects.toThrow(/before it ended; it wrote:\nbye/);
    expect(await short.exited).toBe(3);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
