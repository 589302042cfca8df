import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { readContract } from '@writ/api';
import { verifies } from '@writ/testkit';
import { implementedBy } from '../routing/routes.js';
import { Installation } from '../testing/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start({ WRIT_WORKERS_DIRECT: 'true' });
});
afterAll(() => installation[Symbol.asyncDispose]());

const get = (path: string) => fetch(`${installation.url}${path}`);

describe('what the door tells of itself', () => {
  test('a client finds everything else at /.well-known/writ', async () => {
    expect(await (await get('/.well-known/writ')).json()).toEqual({
      issuer: installation.identity.issuer,
      audience: 'urn:writ:api',
      grpc: installation.gateway.grpcUrl,
      mcp: `${installation.url}/mcp`,
      workers: [],
    });
  });

  test('one OpenAPI 3.1 document for all services, valid, with every method that has a path', async () => {
    verifies('gateway.openapi');
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: Record<string, object> };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(await new Validator().validate(document)).toEqual({ valid: true });
    const methods = Object.values(document.paths).flatMap((path) => Object.keys(path));
    const bindings = implementedBy.flatMap(([service]) => readContract(service).flatMap((each) => each.bindings));
    expect(methods.length).toBe(bindings.length);
  });

  test('the page loads nothing from elsewhere, and may not', async () => {
    const page = await get('/');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-eval|https?:|\*/);
    const html = await page.text();
    const script = await (await get('/api-page.js')).text();
    for (const text of [html, script]) expect(text).not.toMatch(/https?:\/\/|innerHTML|insertAdjacentHTML/);
    // What the policy forbids would not run, so the page must not rely on it.
    expect(html).not.toMatch(/<script(?![^>]*src=)|\son\w+=|<link/);
  });

  test('its health tells of every service behind it, and asks each replica', async () => {
    verifies('gateway.installation');
    const ready = (await (await get('/health/ready')).json()) as { services: { name: string }[] };
    const names = [...new Set(implementedBy.map(([, name]) => name).filter((name) => name !== 'gateway'))];
    expect(ready).toMatchObject({
      ready: true,
      complete: false,
      durability: 'flush',
      natsServer: installation.backends.nats.version,
    });
    expect(ready.services.map(({ name }) => name)).toEqual(names);
    expect(ready.services).toContainEqual({ name: 'tools', replicas: 0 });
    await installation.serve('tools', (_request, response) => response.end('{"service":"tools","ready":true}'));
    const after = (await (await get('/health/ready')).json()) as { services: object[] };
    expect(after.services).toContainEqual({ name: 'tools', replicas: 1 });
    const { services } = (await (await get('/health/services')).json()) as { services: { service: string }[] };
    expect(services).toEqual([
      expect.objectContaining({ service: 'gateway', ready: true }),
      { service: 'tools', ready: true },
    ]);
  });

  test('where workers may go to the schedulers themselves, they are told where those are', async () => {
    verifies('sdk.worker_direct');
    await installation.announce('scheduler', { httpUrl: 'http://127.0.0.1:1', grpcUrl: 'http://127.0.0.1:2' });
    expect(await (await get('/.well-known/writ')).json()).toMatchObject({ workers: ['http://127.0.0.1:2'] });
  });
});
