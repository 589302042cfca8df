import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { TestClaims } from '@writ/enforcement/testing';
import { eventually, verifies } from '@writ/testkit';
import { ExampleServer } from '../testing/example-server.js';
import { Installation } from '../testing/installation.js';

let all: Installation;
let example: ExampleServer;
const inputSchema = {
  type: 'object' as const,
  properties: { to: { type: 'string' }, region: { type: 'string', 'x-mcp-header': 'Region' } },
};
const many = Array.from({ length: 230 }, (_, index) => ({
  name: `t${String(index).padStart(3, '0')}`,
  description: 'one of many',
  inputSchema,
}));

beforeAll(async () => {
  example = await ExampleServer.start([{ name: 'send', description: 'Sends', inputSchema }]);
  all = await Installation.start({
    WRIT_TOOL_HTTP_HOSTS: example.host,
    WRIT_OUTBOUND_ALLOW: example.host,
    WRIT_HOSTS: 'tools.example',
    WRIT_REPLICA: 'one',
  });
  await all.push('@id("all") permit(principal, action, resource in Writ::Server::"mail");');
  await all.connect('mail', { http: { url: example.url } });
}, 120_000);
afterAll(async () => {
  await all[Symbol.asyncDispose]();
  await example[Symbol.asyncDispose]();
});

const token = (claims: TestClaims = {}): Promise<string> => all.identity.token({ aud: all.mcpAudience, ...claims });

interface Answer {
  readonly status: number;
  readonly body: { code?: string; error?: { code: number; message: string }; result?: unknown };
}

/** `fetch` lets nobody name the host. */
async function post(body: string | object, headers: Record<string, string> = {}, path = '/mcp'): Promise<Answer> {
  const all_ = {
    authorization: `Bearer ${await token()}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${all.tools.httpUrl}${path}`, { method: 'POST', headers: all_ }, (response) => {
      let said = '';
      response.on('data', (part: Buffer) => (said += part.toString()));
      response.on('end', () => {
        const json = said.startsWith('{') ? said : (/^data: (\{.*)$/m.exec(said)?.[1] ?? '{}');
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(json) as Answer['body'] });
      });
    });
    sent.once('error', reject);
    sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const calling = (input: object) => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name: 'mail.send', arguments: input, _meta: meta },
});
const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'mail.send' };

describe('the endpoint', () => {
  test('answers to its own names only', async () => {
    verifies('tools.mcp_host');
    for (const host of ['tools.example:8443', new URL(all.tools.httpUrl).host])
      expect(await post(ping, { host })).toMatchObject({ status: 200 });
    expect(await post(ping, { host: 'evil.example' })).toMatchObject({
      status: 421,
      body: { code: 'request.wrong_host' },
    });
  });

  test('takes no body that is too large, too deep, or holds what the ledger cannot', async () => {
    verifies('tools.mcp_body');
    const deep = `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`;
    const call = (input: string) =>
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mail.send","arguments":${input}}}`;
    expect(await post(call(deep))).toMatchObject({ status: 400, body: { error: { code: -32_600 } } });
    expect(await post(call('{"to":"a\\u0000b"}'))).toMatchObject({ status: 400, body: { error: { code: -32_600 } } });
    expect(await post('{"jsonrpc":')).toMatchObject({ status: 400, body: { error: { code: -32_700 } } });
    expect((await post('x'.repeat(5_000_000))).status).toBe(413);
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect(example.calls).toEqual([]);
  });

  test('refuses a request whose headers say something else than its body', async () => {
    verifies('tools.mcp_headers');
    const right = { ...modern, 'mcp-param-region': 'eu' };
    const refused = { status: 400, body: { error: { code: -32_020 } } };
    const body = calling({ region: 'eu' });
    expect(await post(body, { ...right, 'mcp-method': 'tools/list' })).toMatchObject(refused);
    expect(await post(body, { ...right, 'mcp-name': 'mail.drop' })).toMatchObject(refused);
    expect(await post(body, { ...right, 'mcp-param-region': 'us' })).toMatchObject(refused);
    expect(await post(body, modern)).toMatchObject(refused);
    expect(example.calls).toEqual([]);
    expect(await post(body, right)).toMatchObject({ status: 200, body: { result: { isError: false } } });
    expect(example.calls.splice(0)).toHaveLength(1);
  });

  test('says that the list is another one, and gives a long one in pages', async () => {
    verifies('tools.mcp_changes');
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'legacy' } });
    let told = 0;
    client.setNotificationHandler('notifications/tools/list_changed', () => void told++);
    const authorization = `Bearer ${await token()}`;
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${all.tools.httpUrl}/mcp`), {
        requestInit: { headers: { authorization } },
      }),
    );
    example.offer([{ name: 'send', description: 'Sends', inputSchema }, ...many]);
    const waiting = await eventually(
      async () => {
        const { body } = await all.call('GET', '/v1/tools?state=new');
        const tools = body['tools'] as { name: string; hash: string }[];
        return tools.length === many.length && tools;
      },
      { what: 'the new tools wait for approval' },
    );
    for (const { name, hash } of waiting) await all.call('POST', '/v1/tools:approve', { name, hash });
    await eventually(() => told > 0, { what: 'the change is announced' });
    const first = await client.request({ method: 'tools/list', params: {} });
    expect(first.tools).toHaveLength(200);
    const { tools } = await client.listTools();
    expect(new Set(tools.map(({ name }) => name)).size).toBe(231);
    await client.close();
  }, 90_000);
});

describe('a session', () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  };
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} };
  const ask = async (base: string, method: string, session: string, body?: object, claims: TestClaims = {}) =>
    fetch(`${base}/mcp`, {
      method,
      headers: {
        authorization: `Bearer ${await token(claims)}`,
        accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
        ...(body && { 'content-type': 'application/json' }),
        ...(session && { 'mcp-session-id': session }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });

  test('is spoken to through any replica, by whoever opened it, until their authority ends', async () => {
    verifies('tools.mcp_sessions');
    const claims = { sub: 'agt_session' };
    const one = all.tools.httpUrl;
    const opened = await ask(one, 'POST', '', initialize, claims);
    const session = opened.headers.get('mcp-session-id') ?? '';
    await opened.text();
    expect(session).toMatch(/^one\./);
    const { httpUrl: two } = await all.another({
      WRIT_TOOL_HTTP_HOSTS: example.host,
      WRIT_OUTBOUND_ALLOW: example.host,
      WRIT_REPLICA: 'two',
    });
    const through = await eventually(
      async () => {
        const answer = await ask(two, 'POST', session, list, claims);
        return answer.status === 200 && (await answer.text());
      },
      { what: 'the second replica lets callers in and knows the first' },
    );
    expect(through).toContain('mail.send');
    for (const base of [one, two]) {
      expect((await ask(base, 'POST', session, list, { sub: 'agt_other' })).status).toBe(404);
      expect((await ask(base, 'POST', 'one.guessed', list, claims)).status).toBe(404);
    }
    const stream = await ask(two, 'GET', session, undefined, claims);
    expect(stream.status).toBe(200);
    const ended = stream.text().catch(() => 'cut');
    await all.identity.revoke(claims.sub, 'agent');
    await ended;
    expect((await ask(one, 'POST', session, list, claims)).status).toBe(401);
  }, 90_000);
});
