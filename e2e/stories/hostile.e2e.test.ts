/** A hostile caller at every edge of a stack that runs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { newKeyPair, Rest } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { attacksOn, messages, type Attack } from '../hostile/attacks.js';
import { framed, GrpcClient } from '../hostile/grpc.js';
import { HttpClient, sendBytes, type Answer } from '../hostile/http.js';
import { routesOf, type OpenApi, type Route } from '../hostile/routes.js';

const AT_ONCE = 8;
/** No single request, and nobody who waits beside it, takes longer. */
const PATIENCE_MS = 10_000;

let folder: string;
let stack: OwnStack;
let http: HttpClient;
let grpc: GrpcClient;
let routes: Route[];
let token: string;
/** Ids of another tenant, each of a thing that exists. */
let foreign: string[];
const said: string[] = [];

interface Tenant {
  readonly id: string;
  readonly person: Rest;
  readonly personId: string;
}

async function newTenant(name: string): Promise<Tenant> {
  const operator = new Rest(stack.url, stack.operator);
  const { id } = await operator.post<{ id: string }>('/v1/tenants', { name });
  const { jwk, publicJwk } = newKeyPair();
  const person = { name, jwk: JSON.stringify(publicJwk), capabilities: [{ actions: ['*'] }] };
  const { id: personId } = await operator.in(id).post<{ id: string }>('/v1/people', person);
  const rest = operator.as({ client_id: personId, jwk });
  const text = 'permit (principal, action, resource);';
  await rest.put('/v1/policies', { files: [{ name: 'all.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
  return { id, person: rest, personId };
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-hostile-'));
  stack = await startStack(path.join(folder, 'data'), { say: (line) => said.push(line) });
  http = new HttpClient(stack.url);
  grpc = new GrpcClient(stack.grpc);
  routes = routesOf(JSON.parse((await http.send({ method: 'GET', path: '/openapi.json' })).text) as OpenApi);
  const mallory = await newTenant('mallory');
  const victim = await newTenant('victim');
  const { agent } = await victim.person.post<{ agent: { id: string } }>('/v1/agents', {
    name: 'victim-agent',
    jwk: JSON.stringify(newKeyPair().publicJwk),
    capabilities: [{ actions: ['run.*'] }],
  });
  const run = await victim.person.post<{ id: string }>('/v1/runs', { workflow: 'victim-work', input: {} });
  const memory = await victim.person.post<{ id: string }>('/v1/memory', {
    scope: 'victim',
    text: 'victim-secret',
  });
  foreign = [victim.personId, agent.id, run.id, memory.id];
  token = await mallory.person.accessToken();
}, 120_000);

afterAll(async () => {
  grpc?.[Symbol.dispose]();
  http?.[Symbol.dispose]();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** What is wrong with an answer, as far as it can be said of any; undefined where nothing is. */
function wrongWith({ status, type, text, ms }: Answer): string | undefined {
  const inside = /\bat \S+ \(|\.(?:ts|js):\d|node_modules|victim|SELECT |relation "|pg_|TypeError|RangeError/.exec(
    text,
  );
  if (inside !== null || text.includes(folder)) return `leaks: ${text.slice(0, 300)}`;
  if (ms > PATIENCE_MS) return `took ${Math.round(ms)} ms`;
  if (status < 400) return undefined;
  if (!type.startsWith('application/problem+json')) return `${status} is no problem document: ${text.slice(0, 200)}`;
  const { code, request_id: id } = JSON.parse(text) as { code?: string; request_id?: string };
  if (!/^[a-z]+\.[a-z_]+$/.test(code ?? '') || !id) return `has no code: ${text.slice(0, 200)}`;
  return status >= 500 ? `${status} ${code}: ${text.slice(0, 300)}` : undefined;
}

/** Sends all of them, a few at once. @returns what went wrong, a line for each */
async function send(attacks: readonly Attack[], headers = { authorization: `Bearer ${token}` }): Promise<string[]> {
  const wrong: string[] = [];
  const left = attacks.values();
  const work = async (): Promise<void> => {
    for (const { what, ...sent } of left) {
      const problem = await http.send({ ...sent, headers: { ...headers, ...sent.headers } }).then(wrongWith, String);
      if (problem !== undefined) wrong.push(`${sent.method} ${sent.path.slice(0, 80)} with ${what}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return wrong;
}

/** Asks for a sign of life again and again until it is stopped. @returns the longest wait in milliseconds */
async function longestWait(until: AbortSignal): Promise<number> {
  using beside = new HttpClient(stack.url);
  let longest = 0;
  while (!until.aborted) longest = Math.max(longest, (await beside.send({ method: 'GET', path: '/health/live' })).ms);
  return longest;
}

describe('over HTTP', () => {
  test('every route refuses every kind of bad request with a code, and others are served meanwhile', async () => {
    verifies('hostile.rest');
    const attacks = routes.flatMap(attacksOn);
    expect(attacks.length).toBeGreaterThan(1000);
    const done = new AbortController();
    const waiting = longestWait(done.signal);
    const wrong = await send(attacks);
    done.abort();
    expect(wrong).toEqual([]);
    expect(await waiting).toBeLessThan(PATIENCE_MS);
    expect(({} as { polluted?: true }).polluted).toBeUndefined();
  }, 180_000);

  test('ids of another tenant are ids of nothing', async () => {
    verifies('hostile.foreign_ids');
    const attacks = routes
      .filter(({ inPath }) => inPath.length > 0)
      .flatMap(({ method, template, body }) =>
        foreign.map((id): Attack => ({
          what: 'an id of another tenant',
          method,
          path: template.replaceAll(/\{\w+\}/g, id),
          ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        })),
      );
    expect(await send(attacks)).toEqual([]);
    for (const id of foreign)
      for (const { method, template } of routes.filter((each) => each.method === 'GET' && each.inPath.length === 1)) {
        const answer = await http.send({
          method,
          path: template.replace(/\{\w+\}/, id),
          headers: { authorization: `Bearer ${token}` },
        });
        expect([template, [400, 404].includes(answer.status)]).toEqual([template, true]);
      }
  }, 60_000);

  test('a body of 10 MiB is refused as soon as it says so, by every route that takes one', async () => {
    const host = new URL(stack.url).host;
    for (const { method, template } of routes.filter(({ fields }) => fields !== undefined)) {
      const head = `${method} ${template.replaceAll(/\{\w+\}/g, 'x')} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n`;
      const received = await sendBytes(
        stack.url,
        `${head}content-type: application/json\r\ncontent-length: ${10 << 20}\r\n\r\n{`,
      );
      expect(received).toMatch(/^HTTP\/1.1 413 [^]*"request\.too_large"/);
    }
  }, 60_000);

  test.each([
    [
      'a length and chunks',
      'content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\n\r\n',
      400,
    ],
    [
      'chunks and a length',
      'transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\n\r\n',
      400,
    ],
    ['chunks that are not the last encoding', 'transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n', 400],
    [
      'chunks in other letters, twice',
      'transfer-encoding: chunked\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a chunk of no size',
      'transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
      400,
    ],
    ['two lengths', 'content-length: 2\r\ncontent-length: 3\r\n\r\n{}', 400],
    ['two tokens', 'authorization: Bearer x\r\ncontent-length: 0\r\n\r\n', 400],
    ['two tenants', 'writ-tenant: a\r\nwrit-tenant: b\r\ncontent-length: 0\r\n\r\n', 400],
    ['another host', 'x: y\r\ncontent-length: 0\r\n\r\n', 421],
    ['a page of another origin', 'origin: https://evil.example\r\ncontent-length: 0\r\n\r\n', 403],
    ['a line that is folded', 'x: y\r\n z\r\ncontent-length: 0\r\n\r\n', 400],
    ['an address with a byte that none has', '', 400],
  ])('%s is one request, and refused', async (what, rest, status) => {
    verifies('hostile.smuggling');
    const host = what === 'another host' ? 'evil.example' : new URL(stack.url).host;
    const where = what.startsWith('an address') ? '/v1/agents/\u00e9' : '/v1/agents';
    const head = `POST ${where} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n`;
    const received = await sendBytes(stack.url, head + (rest || '\r\n'));
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`]);
    expect(received).toContain('application/problem+json');
  });

  test('connections that are half closed or say nothing more hold up nobody', async () => {
    verifies('hostile.slow');
    const host = new URL(stack.url).host;
    const head = `POST /v1/agents HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n`;
    const silent = Array.from({ length: 200 }, () =>
      sendBytes(stack.url, `${head}content-length: 100\r\n\r\n{`).catch(() => ''),
    );
    const cut = await sendBytes(stack.url, `${head}content-length: 100\r\n\r\n{`, { halfClose: true });
    expect(cut).toMatch(/^$|^HTTP\/1\.1 4/);
    expect(await send([{ what: 'patience', method: 'GET', path: '/v1/whoami' }])).toEqual([]);
    void Promise.all(silent);
  });

  test('OAuth answers in its own words, Git and MCP in theirs', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const bad = [
      '',
      '=',
      'grant_type=client_credentials',
      'grant_type=__proto__',
      'grant_type=%00&resource=%ff',
      `grant_type=${'x'.repeat(60_000)}`,
      'client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=a.b.c&grant_type=client_credentials',
    ];
    for (const body of bad) {
      const { status, text } = await http.send({ method: 'POST', path: '/oauth/token', headers: form, body });
      expect([body.slice(0, 40), status]).toEqual([body.slice(0, 40), expect.any(Number)]);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(JSON.parse(text)).toMatchObject({ error: expect.any(String) });
    }
    const mcp = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
    };
    for (const body of [
      '{',
      '[]',
      'null',
      '{"jsonrpc":"2.0","id":1}',
      '{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
      `[${'{},'.repeat(100)}{}]`,
      '{"jsonrpc":"2.0","id":1,"method":"__proto__"}',
    ]) {
      const { status } = await http.send({ method: 'POST', path: '/mcp', headers: mcp, body });
      expect([body.slice(0, 40), status >= 200 && status < 500]).toEqual([body.slice(0, 40), true]);
    }
    const ids = [
      '..',
      '%2e%2e',
      '%00',
      '%ff',
      'art_../../x',
      'art_%2e%2e%2f',
      '__proto__',
      'x'.repeat(5000),
      foreign[0],
    ];
    const git = ids.map((id): Attack => ({
      what: 'git',
      method: 'GET',
      path: `/git/${id}.git/info/refs?service=git-upload-pack`,
    }));
    expect(await send(git)).toEqual([]);
  });
});

test('every gRPC method refuses every kind of bad message with a code', async () => {
  verifies('hostile.grpc');
  const methods = await grpc.methods();
  expect(methods.length).toBeGreaterThan(60);
  const wrong: string[] = [];
  const calls = methods.flatMap((method) => [
    ...Object.entries(messages).map(([what, bytes]) => ({
      method,
      what,
      frame: framed(bytes),
      authorization: `Bearer ${token}`,
    })),
    { method, what: 'no token', frame: framed(Buffer.alloc(0)), authorization: '' },
    { method, what: 'another token', frame: framed(Buffer.alloc(0)), authorization: 'Bearer a.b.c' },
  ]);
  const left = calls.values();
  const work = async (): Promise<void> => {
    for (const { method, what, frame, authorization } of left) {
      const { status, code, message } = await grpc.call(method, frame, authorization ? { authorization } : {});
      const fine =
        status === 0 || (status > 0 && code !== '' && code !== 'internal.error' && status !== 13 && status !== 2);
      if (!fine) wrong.push(`${method} with ${what}: ${status} ${code} ${message}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  expect(wrong).toEqual([]);
  // The library of gRPC refuses these itself, before anything of ours is asked, and so without our code.
  const large = await grpc.call('/writ.identity.v1.IdentityService/CreateAgent', framed(Buffer.alloc(10 << 20, 0x41)), {
    authorization: `Bearer ${token}`,
  });
  expect(large.status).toBe(8);
}, 120_000);

test('afterwards everything is served as before, and nothing was a bug', async () => {
  verifies('hostile.healthy');
  const health = await http.send({ method: 'GET', path: '/health/ready' });
  expect(health.status).toBe(200);
  const agent = {
    name: 'after',
    jwk: JSON.stringify(newKeyPair().publicJwk),
    capabilities: [{ actions: ['run.read'] }],
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const made = await http.send({ method: 'POST', path: '/v1/agents', headers, body: JSON.stringify(agent) });
  expect(made.status).toBe(200);
  expect(said.filter((line) => /failed by a bug|unhandled|uncaught/i.test(line))).toEqual([]);
});
