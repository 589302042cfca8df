import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { Installation } from '../testing/installation.js';

let installation: Installation;
/** Where the gateway is reached by what stands beside it. */
let inside: string;

beforeAll(async () => {
  const probe = createServer();
  const port = await new Promise<number>((resolve) =>
    probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port)),
  );
  await new Promise((resolve) => probe.close(resolve));
  inside = `http://127.0.0.1:${port}`;
  installation = await Installation.start({ WRIT_HTTP_PORT: String(port), WRIT_DOOR_HTTP_PORT: '0' });
}, 60_000);
afterAll(() => installation[Symbol.asyncDispose]());

const at = async (base: string, path: string) => {
  const response = await fetch(base + path);
  return [response.status, await response.text()] as const;
};

test('what is for whoever runs the installation is told inside, and not at the door', async () => {
  verifies('gateway.operations_inside');
  expect(installation.url).not.toBe(inside);
  expect((await at(inside, '/metrics'))[1]).toContain('writ_service_replicas');
  expect((await at(inside, '/health/services'))[0]).toBe(200);
  expect(JSON.parse((await at(inside, '/health/ready'))[1])).toMatchObject({
    ready: true,
    services: expect.any(Array),
  });
  for (const path of ['/metrics', '/metrics?x', '/metrics/', '/health/services', '/health/services?x'])
    expect(await at(installation.url, path)).toEqual([404, expect.stringContaining('request.not_found')]);
  expect(await at(installation.url, '/health/ready')).toEqual([200, '{"ready":true}']);
  expect(await at(installation.url, '/health/ready?verbose')).toEqual([200, '{"ready":true}']);
});

test('everything else is the same at both', async () => {
  for (const path of ['/health/live', '/openapi.json', '/v1/whoami', '/nothing', '/'])
    expect([path, (await at(installation.url, path))[0]]).toEqual([path, (await at(inside, path))[0]]);
  const found = JSON.parse((await at(installation.url, '/.well-known/writ'))[1]) as object;
  expect(found).toMatchObject({ mcp: `${installation.url}/mcp` });
  expect(found).not.toHaveProperty('workers');
});

test.each(['//metrics', '/%6detrics', '/METRICS', '/./metrics', '/v1/../metrics', '/metrics%3f'])(
  '%s is not a way around',
  async (path) => {
    const { hostname, port } = new URL(installation.url);
    const received = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), hostname, () =>
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      );
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.once('close', () => resolve(text)).once('error', reject);
    });
    expect(received).toMatch(/^HTTP\/1\.1 40[04] /);
  },
);
