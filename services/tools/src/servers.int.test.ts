import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { ExampleServer } from './testing/example-server.js';
import { Installation, type Answer } from './testing/installation.js';

let all: Installation;
let example: ExampleServer;
/** On a host that is allowed by its name. */
let named: ExampleServer;
const byName = (address: string): string => address.replace('127.0.0.1', 'localhost');
const code = ({ status, body }: Answer): string => `${status} ${String(body['code'] ?? body['outcome'] ?? '')}`.trim();
const add = (name: string, spec: object): Promise<Answer> => all.call('POST', '/v1/tool-servers', { name, spec });
const names = async (): Promise<string[]> =>
  ((await all.call('GET', '/v1/tool-servers')).body['servers'] as { name: string }[]).map(({ name }) => name);

beforeAll(async () => {
  const inputSchema = { type: 'object' as const };
  example = await ExampleServer.start([{ name: 'ping', inputSchema }]);
  named = await ExampleServer.start([]);
  all = await Installation.start({ WRIT_TOOL_HTTP_HOSTS: `${example.host},${byName(named.host)}` });
  await all.push(
    `@id("all") permit(principal, action == Writ::Action::"tool.call", resource) unless { context.arguments has secret };`,
  );
}, 120_000);
afterAll(async () => {
  await all[Symbol.asyncDispose]();
  await example[Symbol.asyncDispose]();
  await named[Symbol.asyncDispose]();
});

test('a server on a host that the operator did not name is refused, and so is a redirect', async () => {
  verifies('tools.http_hosts');
  await using other = await ExampleServer.start([]);
  expect(code(await add('other', { http: { url: other.url } }))).toBe('403 tools.host_refused');
  expect(code(await add('other', { http: { url: 'file:///etc/passwd' } }))).toBe('403 tools.host_refused');
  expect(code(await add('other', { http: { url: `http://user:pass@${example.host}/mcp` } }))).toBe(
    '422 outbound.url_refused',
  );
  example.redirectTo = other.url;
  const answer = await add('other', { http: { url: example.url } });
  example.redirectTo = undefined;
  expect(code(answer)).toBe('502 tools.upstream_failed');
  expect(String(answer.body['detail'])).toContain('redirect');
  expect(other.headers).toEqual([]);
  expect(await names()).toEqual([]);
});

test('a host that the operator named by name may lead to the public internet only', async () => {
  verifies('outbound.guarded');
  const answer = await add('name', { http: { url: byName(named.url) } });
  expect(code(answer)).toBe('403 outbound.address_refused');
  expect(answer.body['detail']).toMatch(/WRIT_OUTBOUND_ALLOW=localhost:\d+ would allow it/);
  expect(named.headers).toEqual([]);
  expect(await names()).toEqual([]);
});

test('a server that cannot be reached is not added, and says why', async () => {
  verifies('tools.upstream_failed');
  const answer = await add('broken', {
    stdio: { argv: [process.execPath, '-e', 'console.error("no such database"); process.exit(1)'] },
  });
  expect(code(answer)).toBe('502 tools.upstream_failed');
  expect(answer.body['detail']).toContain('no such database');
  expect(await names()).toEqual([]);
  expect(all.processes.running).toBe(0);
});

test('a server is added once, removed with its tools, and may then be another one', async () => {
  expect(code(await add('worker', { http: { url: example.url } }))).toBe('409 tools.reserved_name');
  expect((await add('echo', { http: { url: example.url } })).status).toBe(200);
  expect((await add('echo', { http: { url: example.url } })).status).toBe(200);
  expect(code(await add('echo', { http: { url: `${example.url}?x` } }))).toBe('409 tools.server_exists');
  expect((await all.call('GET', '/v1/tool-servers')).body['servers']).toMatchObject([
    { name: 'echo', state: 'connected', tools: 1, spec: { http: { url: example.url } } },
  ]);
  expect((await all.call('DELETE', '/v1/tool-servers/echo')).status).toBe(200);
  expect(await names()).toEqual([]);
  expect(code(await all.callTool('echo/ping', {}))).toBe('404 tools.not_found');
  expect((await add('echo', { http: { url: `${example.url}?x` } })).status).toBe(200);
  expect((await all.call('GET', '/v1/tools?server=echo')).body['tools']).toMatchObject([{ state: 'new' }]);
});

test('a grant that is good for one server does not manage another', async () => {
  const mine = { authorization_details: [{ type: 'writ', actions: ['tool.write'], resources: ['mine*'] }] } as const;
  const spec = { http: { url: example.url } };
  expect(code(await all.call('POST', '/v1/tool-servers', { name: 'other', spec }, mine))).toBe(
    '403 auth.missing_capability',
  );
  expect(code(await all.call('DELETE', '/v1/tool-servers/echo', undefined, mine))).toBe('403 auth.missing_capability');
  expect((await all.call('POST', '/v1/tool-servers', { name: 'mine', spec }, mine)).status).toBe(200);
});

test('servers of one tenant are nothing to another', async () => {
  verifies('tools.tenants');
  const other = { tenant: 'tnt_2' };
  expect((await all.call('GET', '/v1/tool-servers', undefined, other)).body['servers']).toEqual([]);
  expect(code(await all.callTool('mine/ping', {}, {}, other))).toBe('404 tools.not_found');
});

test("a worker's tool is decided and recorded here, and performed there", async () => {
  verifies('tools.worker');
  const inputSchema = { type: 'object', properties: { amount: { type: 'integer' }, secret: { type: 'string' } } };
  const definition = { name: 'refund', description: 'Pays back', inputSchema, effect: 'irreversible' };
  expect((await all.call('POST', '/v1/tools:register', { tools: [definition] })).status).toBe(200);
  expect(code(await all.callTool('worker/refund', { amount: 3 }))).toBe('409 tools.runs_in_worker');
  const begin = (effectId: string, input: object) =>
    all.call(
      'POST',
      '/v1/tools:begin',
      { tool: 'refund', arguments: input, effectId },
      { sub: 'agt_1', kind: 'agent', jti: 'tok_w' },
    );
  const end = (body: object) => all.call('POST', '/v1/tools:end', body, { sub: 'agt_1', kind: 'agent', jti: 'tok_w' });
  expect((await begin('e1', { amount: 3 })).body).toMatchObject({ outcome: 'begun', decision: { outcome: 'allow' } });
  expect((await end({ effectId: 'e1', ok: true, summary: { paid: 3 } })).status).toBe(200);
  expect((await begin('e1', { amount: 3 })).body).toMatchObject({ outcome: 'replayed', recorded: { paid: 3 } });
  expect((await begin('e2', { amount: 3, secret: 'x' })).body).toMatchObject({ outcome: 'denied' });
  expect((await begin('e3', { amount: 3 })).body).toMatchObject({ outcome: 'begun' });
  expect((await end({ effectId: 'e3', ok: false, error: 'bank.closed: come back tomorrow' })).status).toBe(200);
  expect(await begin('e3', { amount: 3 })).toMatchObject({
    status: 502,
    body: { code: 'action.failed', detail: 'bank.closed: come back tomorrow' },
  });
  expect(code(await begin('e4', { amount: 3 }).then(() => all.callTool('worker/none', {})))).toBe(
    '404 tools.not_found',
  );
});

test('policy learns the arguments of what is approved, also when whoever approved was interrupted', async () => {
  const actor = { principal: 'psn_1', kind: 'person' } as const;
  const definition = { name: 'quiet', description: '', inputSchema: { type: 'object' }, hash: 'sha256:q' };
  // As an approval whose process died before it told policy.
  await all.ledger.commands('tools').send({
    tenant: 'tnt_1',
    aggregate: 'server',
    subject: 'worker',
    command: { type: 'register', tools: [definition], by: 'psn_1' } as { type: string },
    actor,
  });
  await eventually(
    async () => {
      for await (const { events } of all.ledger.read('policy', 0))
        for (const { type, data } of events)
          if (type === 'tool_schema.registered.v1' && (data as { tool: string }).tool === 'worker/quiet') return true;
      return false;
    },
    { what: 'the schema is registered by the reactor' },
  );
});

test('what a server over stdio is started with is in no event and in no answer, and the server has it', async () => {
  verifies('tools.env_sealed');
  const program = `
    if (process.env.PASSWORD !== ['hunter', 2].join('')) { console.error('the password is wrong'); process.exit(1); }
    console.error('the password is right'); process.exit(1);`;
  const answer = await add('sealed', {
    stdio: { argv: [process.execPath, '-e', program], env: { PASSWORD: 'hunter2' } },
  });
  expect(answer.body['detail']).toContain('the password is right');
  const added = (await all.events('server.added.v1')).filter(({ subject }) => subject === 'sealed');
  expect(added).toHaveLength(1);
  expect(JSON.stringify(await all.events())).not.toContain('hunter2');
  expect(JSON.stringify(answer.body)).not.toContain('hunter2');
});

test('policy forgets the arguments of the tools of a server that is removed', async () => {
  verifies('tools.removed_types');
  await all.connect('brief', { http: { url: example.url } });
  const told = async (wanted: string) => {
    for await (const { events } of all.ledger.read('policy', 0))
      for (const { type, data } of events)
        if (type === wanted && (data as { tool: string }).tool === 'brief/ping') return true;
    return false;
  };
  expect(await told('tool_schema.registered.v1')).toBe(true);
  expect(await told('tool_schema.removed.v1')).toBe(false);
  expect((await all.call('DELETE', '/v1/tool-servers/brief')).status).toBe(200);
  await eventually(() => told('tool_schema.removed.v1'), { what: 'the reactor has told policy' });
});
