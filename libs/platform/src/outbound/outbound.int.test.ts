/** With real connections: what is checked is what is connected to. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { Outbound, type Resolve } from './outbound.js';

let server: Server;
let port: number;
const seen: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.url}`);
    if (request.url === '/broken') return void response.write('{"half":', () => request.socket.destroy());
    if (request.url === '/events') {
      response.once('close', () => seen.push('left'));
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    }
    if (request.url === '/large') return void Readable.from(thirtyThreeMib()).pipe(response);
    const to = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
    if (to === null) response.end('hello');
    else response.writeHead(302, { location: to }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function* thirtyThreeMib(): Iterable<Buffer> {
  for (let i = 0; i < 33; i++) yield Buffer.alloc(1024 * 1024, 0x20);
}

/** Answers differently each time, as whoever owns a name may. */
const changing =
  (...answers: string[]): Resolve =>
  async () => [{ address: answers.shift() as string, family: 4 }];

describe('a connection', () => {
  test('goes to an address that is allowed, under the name that was asked for', async () => {
    await using outbound = new Outbound([`127.0.0.1:${port}`], changing('127.0.0.1'));
    const response = await outbound.fetch(`http://tools.example:${port}/a`);
    expect(await response.text()).toBe('hello');
    expect(seen.at(-1)).toBe(`tools.example:${port} /a`);
  });

  test('is not opened to one that is not', async () => {
    await using outbound = new Outbound([]);
    const before = seen.length;
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433'])
      await expect(outbound.fetch(`http://${host}:${port}/`)).rejects.toMatchObject({
        code: 'outbound.address_refused',
      });
    expect(seen.length).toBe(before);
  });

  test('goes to what was checked, though the name has another address a moment later', async () => {
    verifies('outbound.rebinding');
    await using outbound = new Outbound(['127.0.0.1', 'rebind.example:1'], changing('127.0.0.1', '127.0.0.2'));
    expect((await outbound.fetch(`http://rebind.example:${port}/`)).status).toBe(200);
    await using other = new Outbound([], changing('93.184.215.14', '127.0.0.1'));
    expect((await other.check(`http://rebind.example:${port}/`)).addresses).toEqual([
      { address: '93.184.215.14', family: 4 },
    ]);
    const before = seen.length;
    await expect(other.fetch(`http://rebind.example:${port}/`)).rejects.toMatchObject({
      code: 'outbound.address_refused',
    });
    expect(seen.length).toBe(before);
  });

  test.each(['http://169.254.169.254/', '/b', 'file:///etc/passwd'])('a redirect to %s is not followed', async (to) => {
    await using outbound = new Outbound([`127.0.0.1:${port}`]);
    const before = seen.length;
    const answer = outbound.fetch(`http://127.0.0.1:${port}/?to=${encodeURIComponent(to)}`);
    await expect(answer).rejects.toMatchObject({ code: 'outbound.redirected' });
    expect(seen.length).toBe(before + 1);
  });

  test('that breaks is told as fetch tells it, with the reason inside', async () => {
    await using outbound = new Outbound([`127.0.0.1:${port}`]);
    const broken = outbound.fetch(`http://127.0.0.1:${port}/broken`);
    await expect(broken).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'UND_ERR_SOCKET' } });
  });

  test('is given up when the caller does, and when the answer is too large', async () => {
    await using outbound = new Outbound([`127.0.0.1:${port}`]);
    const reason = new Error('no more');
    const given = outbound.fetch(`http://127.0.0.1:${port}/large`, { signal: AbortSignal.abort(reason) });
    await expect(given).rejects.toBe(reason);
    await expect(outbound.fetch(`http://127.0.0.1:${port}/large`)).rejects.toThrow('more than 33554432 bytes');
  });

  test('hands out events as they come, and ends with who reads them', async () => {
    await using outbound = new Outbound([`127.0.0.1:${port}`]);
    const { body } = await outbound.fetch(`http://127.0.0.1:${port}/events`);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('data: 1\n\n');
    await reader.cancel();
    await eventually(() => seen.at(-1) === 'left', { what: 'the server sees the reader leave' });
  });
});
