import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { TestClaims } from '@writ/enforcement/testing';
import { eventually, verifies } from '@writ/testkit';
import { ExampleServer } from '../testing/example-server.js';
import { Installation } from '../testing/installation.js';
import { talkativeServer, talkativeTools, type Talk } from '../testing/talkative-server.js';

let all: Installation;
let upstream: ExampleServer;
const talk: Talk = { size: 0, hung: 0, givenUp: 0, answers: [] };

beforeAll(async () => {
  upstream = await ExampleServer.start([...talkativeTools], () => talkativeServer(talk));
  all = await Installation.start({ WRIT_TOOL_HTTP_HOSTS: upstream.host, WRIT_OUTBOUND_ALLOW: upstream.host });
  await all.push(`
    @id("all") permit(principal, action, resource in Writ::Server::"wiki");
    @id("silent") permit(principal, action, resource in Writ::Server::"silent");
    @id("no-drafts") forbid(principal, action == Writ::Action::"resource.read", resource)
      when { context.arguments has uri && context.arguments.uri like "draft:*" };`);
  await all.connect('wiki', { http: { url: upstream.url }, may_ask: ['elicitation'] });
  await all.connect('silent', { http: { url: upstream.url } });
}, 120_000);
afterAll(async () => {
  await all[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
beforeEach(() => void Object.assign(talk, { size: 0, hung: 0, givenUp: 0, answers: [] }));

const everything = [{ type: 'writ' as const, actions: ['tool.call', 'prompt.get', 'resource.read'] }];
const token = (claims: TestClaims = {}): Promise<string> =>
  all.identity.token({ aud: all.mcpAudience, authorization_details: everything, ...claims });
const url = (server = 'wiki'): URL => new URL(`${all.tools.httpUrl}/mcp/${server}`);
const withToken = async (claims?: TestClaims) => ({
  requestInit: { headers: { authorization: `Bearer ${await token(claims)}` } },
});

interface Options {
  readonly onprogress?: (progress: { progress: number }) => void;
  readonly signal?: AbortSignal;
}

/** What both SDKs do, by their own means. */
interface Door extends AsyncDisposable {
  readonly logs: unknown[];
  readonly asked: string[];
  tools(): Promise<string[]>;
  call(tool: string, options?: Options): Promise<{ content: { text?: string }[]; isError?: boolean; _meta?: object }>;
  prompt(name: string, input: Record<string, string>): Promise<{ messages: unknown[] }>;
  read(uri: string): Promise<{ contents: unknown[]; _meta?: object }>;
}

const answer = { action: 'accept' as const, content: { name: 'Ann' } };

async function current(mode: 'legacy' | { pin: string }, server?: string, claims?: TestClaims): Promise<Door> {
  const door = { logs: [] as unknown[], asked: [] as string[] };
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => (door.asked.push(params.message), answer));
  client.setNotificationHandler('notifications/message', ({ params }) => void door.logs.push(params.data));
  await client.connect(new StreamableHTTPClientTransport(url(server), await withToken(claims)));
  const meta = { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } };
  return {
    ...door,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, options) => (await client.callTool({ name, ...meta }, options)) as never,
    prompt: (name, input) => client.getPrompt({ name, arguments: input }),
    read: (uri) => client.readResource({ uri }) as never,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function old(server?: string, claims?: TestClaims): Promise<Door> {
  const door = { logs: [] as unknown[], asked: [] as string[] };
  const client = new OldClient({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => (door.asked.push(params.message), answer));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void door.logs.push(params.data));
  const transport = new OldTransport(url(server), await withToken(claims));
  await client.connect(transport as unknown as Parameters<OldClient['connect']>[0]);
  return {
    ...door,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, options) => (await client.callTool({ name }, undefined, options)) as never,
    prompt: (name, input) => client.getPrompt({ name, arguments: input }),
    read: (uri) => client.readResource({ uri }) as never,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

describe.each([
  [
    '@modelcontextprotocol/client, 2026-07-28',
    (...at: [string?, TestClaims?]) => current({ pin: '2026-07-28' }, ...at),
  ],
  ['@modelcontextprotocol/client, 2025-11-25', (...at: [string?, TestClaims?]) => current('legacy', ...at)],
  ['@modelcontextprotocol/sdk 1.x', old],
])('%s', (name, connect) => {
  test('sees the tools under their own names, and reads an error of one', async () => {
    verifies('tools.mcp_one_server');
    await using door = await connect();
    expect((await door.tools()).sort()).toEqual(['ask', 'big', 'count', 'fail', 'hang']);
    expect(await door.call('fail')).toMatchObject({ isError: true, content: [{ text: 'it went wrong' }] });
  });

  test('hears of its own call how far it is, and what the server logs', async () => {
    verifies('tools.mcp_progress');
    await using door = await connect();
    await using other = await connect();
    const seen: number[] = [];
    const result = await door.call('count', { onprogress: ({ progress }) => void seen.push(progress) });
    expect(result).toMatchObject({ content: [{ text: 'counted' }], _meta: { 'writ/labels': ['untrusted'] } });
    expect(seen).toEqual([1, 2]);
    expect(door.logs).toEqual(['step 1', 'step 2']);
    expect(other.logs).toEqual([]);
  });

  test('is asked what the server wants to know, where the operator lets it ask', async () => {
    verifies('tools.mcp_asks');
    await using door = await connect();
    expect(await door.call('ask')).toMatchObject({ content: [{ text: 'asked' }], isError: false });
    expect(door.asked).toEqual(['Who are you?']);
    expect(talk.answers).toMatchObject([answer]);
    await using quiet = await connect('silent');
    const refused = await quiet.call('ask').catch((error: Error) => ({ isError: true, said: error.message }));
    expect(refused).toMatchObject({ isError: true });
    expect(quiet.asked).toEqual([]);
    expect(talk.answers).toHaveLength(1);
  });

  test('takes a call back', async () => {
    verifies('tools.mcp_cancel');
    await using door = await connect();
    const abort = new AbortController();
    const hanging = door.call('hang', { signal: abort.signal });
    const refused = expect(hanging).rejects.toThrow();
    await eventually(() => talk.hung === 1, { what: 'the call has arrived' });
    abort.abort();
    await refused;
    // Of 2026-07-28 the gateway hears only a lost connection, which does not undo a call.
    if (!name.includes('2026')) await eventually(() => talk.givenUp === 1, { what: 'the server hears of it' });
    expect(await door.call('count')).toMatchObject({ isError: false });
  });

  test('gets prompts and resources that policy permits, each on the record', async () => {
    verifies('tools.mcp_reads');
    const claims = { sub: `agt_${name.replace(/\W/g, '')}` };
    await using door = await connect('wiki', claims);
    expect(await door.prompt('greet', { who: 'Ann' })).toMatchObject({
      messages: [{ content: { text: 'Greet Ann' } }],
    });
    expect(await door.read('page:1')).toMatchObject({
      contents: [{ text: 'the text of page:1' }],
      _meta: { 'writ/server': 'wiki', 'writ/labels': ['untrusted'] },
    });
    await expect(door.read('draft:1')).rejects.toThrow('Denied by policy');
    await expect(door.read('page:2')).rejects.toThrow(/not found/i);
    const mine = (await all.events()).filter((event) => event.actor?.principal === claims.sub);
    expect(mine.map(({ type, data }) => `${type} ${(data as { resource?: { id: string } }).resource?.id}`)).toEqual(
      expect.arrayContaining([
        'action.intended.v1 wiki/greet',
        'action.intended.v1 wiki/page:1',
        'action.refused.v1 wiki/draft:1',
        'action.intended.v1 wiki/page:2',
      ]),
    );
  });
});

test('of an answer that is too large only the claim is handed out, also for its repeat', async () => {
  verifies('tools.result_bound');
  await using door = await current({ pin: '2026-07-28' });
  for (const [size, whole] of [
    [500_000, true],
    [2_000_000, false],
  ] as const) {
    talk.size = size;
    const { content, _meta } = await door.call('big');
    expect(content[0]?.text?.length === size).toBe(whole);
    expect((_meta as Record<string, unknown>)['writ/blob']).toEqual(
      whole ? undefined : expect.stringMatching(/^sha256:/),
    );
    const effectId = String((_meta as Record<string, unknown>)['writ/effect-id']);
    const again = await all.callTool('wiki/big', {}, { effectId });
    expect(again.body).toMatchObject({ outcome: 'replayed', content: [{ text: content[0]?.text }] });
  }
});
