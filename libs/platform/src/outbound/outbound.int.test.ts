/** With real connections: what is checked is what is connected to. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { Outbound, type Resolve } from './outbound.js';

let server: Server;
let port: number;
const seen: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.url}`);
    const to = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
    if (to === null) response.end('hello');
    else response.writeHead(302, { location: to }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

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
    const answer = outbound.fetch(`http://127.0.0.1:${port}/?to=${encodeURIComponent(to)}`, { redirect: 'follow' });
    await expect(answer).rejects.toMatchObject({ code: 'outbound.redirected' });
    expect(seen.length).toBe(before + 1);
  });
});
