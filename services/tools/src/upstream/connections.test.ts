import { afterEach, describe, expect, test } from '@jest/globals';
import type { ToolDefinition } from '../server/server.events.js';
import { refuse } from '@writ/ledger/domain';
import { eventually, verifies } from '@writ/testkit';
import { Connection } from './connection.js';
import { Connections } from './connections.js';
import { FakeServer } from './fake-upstream.js';
import type { Address } from './upstream.js';

const address: Address = { tenant: 'tnt_1', server: 'mail', spec: { kind: 'http', url: 'http://mail' } };
const never = { signal: new AbortController().signal };
const opened: Connections[] = [];

function given() {
  const server = new FakeServer().offer('send', () => 'sent');
  const discovered: (readonly ToolDefinition[])[] = [];
  const connections = new Connections(server.connect, (_address, tools) => {
    discovered.push(tools);
    return Promise.resolve();
  });
  opened.push(connections);
  return { server, connections, discovered };
}
const hashOf = (discovered: (readonly ToolDefinition[])[]): string => discovered.at(-1)?.[0]?.hash ?? '';

afterEach(async () => {
  for (const connections of opened.splice(0)) await connections.stop();
});

describe('a connection', () => {
  test('is made when it is first needed, shared, and what is offered over it is told', async () => {
    const { server, connections, discovered } = given();
    expect(connections.stateOf(address)).toEqual({ state: 'idle' });
    const [one, two] = await Promise.all([connections.get(address), connections.get(address)]);
    expect(one).toBe(two);
    expect(server.connected).toBe(1);
    expect(discovered).toHaveLength(1);
    expect(connections.stateOf(address)).toEqual({ state: 'connected' });
    await connections.get({ ...address, tenant: 'tnt_2' });
    expect(server.connected).toBe(2);
  });

  test('is made anew after it ended', async () => {
    verifies('tools.reconnect');
    const { server, connections, discovered } = given();
    const first = await connections.get(address);
    server.die();
    await eventually(() => connections.stateOf(address).state === 'idle');
    const second = await connections.get(address);
    expect(second).not.toBe(first);
    expect(await second.call('send', hashOf(discovered), {}, never)).toMatchObject({ content: [{ text: 'sent' }] });
    expect(discovered).toHaveLength(2);
  });

  test('over which nobody can tell what is offered now fails for the moment: that is no other definition', async () => {
    verifies('tools.not_reached');
    const server = new FakeServer().offer('send', () => 'sent');
    let looks = 0;
    const connections = new Connections(server.connect, () =>
      looks++ === 0 ? Promise.resolve() : Promise.reject(new Error('the ledger is away')),
    );
    opened.push(connections);
    const connection = await connections.get(address);
    await expect(connection.call('send', 'sha256:other', {}, never)).rejects.toMatchObject({
      code: 'tools.upstream_failed',
      message: expect.stringContaining('the ledger is away'),
    });
  });

  test('calls only what its server offered over it as it was approved', async () => {
    verifies('tools.pinned_connection');
    const { server, connections, discovered } = given();
    const connection = await connections.get(address);
    const approved = hashOf(discovered);
    await expect(connection.call('send', 'sha256:other', {}, never)).rejects.toMatchObject({
      code: 'tools.definition_changed',
    });
    await expect(connection.call('none', approved, {}, never)).rejects.toThrow('is not offered any more');
    server.offer('send', () => 'sent', 'something else');
    await expect(connection.call('send', approved, {}, never)).rejects.toMatchObject({
      code: 'tools.definition_changed',
    });
    expect(server.calls).toEqual([]);
    expect(await connection.call('send', hashOf(discovered), {}, never)).toMatchObject({ isError: false });
  });

  test('looks again every few seconds: a server that was exchanged without a word is found', async () => {
    verifies('tools.silent_change');
    const server = new FakeServer().offer('send', () => 'sent');
    const told: (readonly ToolDefinition[])[] = [];
    const ears = {
      discover: (_address: unknown, tools: readonly ToolDefinition[]) => Promise.resolve(void told.push(tools)),
      announced: () => {},
      believedMs: -1,
    };
    const { connection } = await Connection.open(address, server.connect, ears);
    const approved = hashOf(told);
    expect(await connection.call('send', approved, {}, never)).toMatchObject({ isError: false });
    server.exchange('send', () => 'stolen', 'something else');
    await expect(connection.call('send', approved, {}, never)).rejects.toMatchObject({
      code: 'tools.definition_changed',
    });
    expect(server.calls).toHaveLength(1);
    await connection.close();
  });

  test('looks again before it says that something changed: not every server announces it', async () => {
    const { server, connections, discovered } = given();
    const connection = await connections.get(address);
    server.exchange('send', () => 'sent', 'another one');
    expect(discovered).toHaveLength(1);
    const [now] = await (await server.connect(address, () => undefined)).list();
    expect(await connection.call('send', now?.hash ?? '', {}, never)).toMatchObject({ isError: false });
    expect(discovered).toHaveLength(2);
  });

  test('looks again, but not for each of many announcements', async () => {
    const { server, connections, discovered } = given();
    await connections.get(address);
    for (let index = 0; index < 100; index++) server.offer(`tool_${index}`, () => '');
    await eventually(() => discovered.at(-1)?.length === 101);
    expect(discovered.length).toBeLessThan(10);
  });

  test('is ended by whoever removes the server, and by the end of the process', async () => {
    const { server, connections } = given();
    const first = await connections.get(address);
    await connections.close(address);
    await first.closed;
    expect(connections.stateOf(address)).toEqual({ state: 'idle' });
    const second = await connections.get(address);
    await connections.stop();
    await second.closed;
    await expect(connections.get(address)).rejects.toThrow('shutting down');
    expect(server.connected).toBe(2);
  });

  test('is another one when the server is added again in another way', async () => {
    const { server, connections } = given();
    const first = await connections.get(address);
    const second = await connections.get({ ...address, spec: { kind: 'http', url: 'http://other' } });
    expect(second).not.toBe(first);
    await first.closed;
    expect(server.connected).toBe(2);
    expect(connections.stateOf(address)).toEqual({ state: 'connected' });
  });
});

describe('a server that cannot be reached', () => {
  test('fails its calls with the reason, and is left alone for a while', async () => {
    verifies('tools.upstream_failed');
    const { server, connections } = given();
    server.down = new Error('no route to mail');
    await expect(connections.get(address)).rejects.toMatchObject({ code: 'tools.upstream_failed' });
    expect(connections.stateOf(address)).toEqual({
      state: 'failed',
      error: 'mail cannot be reached: no route to mail',
    });
    await expect(connections.get(address)).rejects.toThrow('no route to mail; it is tried again after a pause');
    expect(server.connected).toBe(1);
    server.down = undefined;
    await connections.get(address, { now: true });
    expect(connections.stateOf(address)).toEqual({ state: 'connected' });
  });

  test('is tried again after the pause', async () => {
    const { server, connections } = given();
    server.down = new Error('no route');
    await expect(connections.get(address)).rejects.toThrow('no route');
    server.down = undefined;
    await eventually(() => connections.get(address), { what: 'the pause is over' });
    expect(server.connected).toBe(2);
  });

  test('is not thought of as failed where identity was not heard, which may be tried again at once', async () => {
    const { server, connections } = given();
    server.down = refuse('auth.revocation_unknown', 'nobody is trusted');
    await expect(connections.get(address)).rejects.toMatchObject({ code: 'auth.revocation_unknown' });
    expect(connections.stateOf(address)).toEqual({ state: 'idle' });
    server.down = undefined;
    await connections.get(address);
    expect(connections.stateOf(address)).toEqual({ state: 'connected' });
  });

  test('is not connected when what it offers cannot be told to the ledger', async () => {
    const server = new FakeServer().offer('send', () => 'sent');
    const connections = new Connections(server.connect, () => Promise.reject(new Error('no ledger')));
    opened.push(connections);
    await expect(connections.get(address)).rejects.toThrow('no ledger');
    expect(connections.stateOf(address).state).toBe('failed');
  });
});
