/** Two tenants with the same names for everything: nothing of one reaches the other, by whatever door it is asked for. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientOf, GrpcChannel } from '@writ/api';
import { RunService } from '@writ/proto/run/v1/run';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { WorkerService } from '@writ/proto/worker/v1/worker';
import { eventually, verifies } from '@writ/testkit';
import pg from 'pg';
import { Upstream } from '../bench/revocation-upstream.js';
import { Rest } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { answered, same, Twin, twin } from './tenants-twins.js';

interface AuditEvent {
  id: string;
  type: string;
  subject: string;
  tenant: string;
  data: Record<string, unknown>;
}

const [ALPHA, BETA] = ['alpha-41c7', 'beta-9d02'];
const lines: string[] = [];
let folder: string;
let stack: OwnStack;
let alpha: Twin;
let beta: Twin;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-tenants-'));
  const upstreams = [await Upstream.start(), await Upstream.start()] as const;
  stack = await startStack(path.join(folder, 'data'), {
    flags: ['--log', 'info'],
    env: {
      WRIT_TOOL_HTTP_HOSTS: upstreams.map(({ host }) => host).join(','),
      WRIT_ARTIFACT_SOURCES: '/',
    },
    say: (line) => void lines.push(line),
  });
  const parts = {
    url: stack.url,
    operator: new Rest(stack.url, stack.operator),
    sources: path.join(folder, 'sources'),
  };
  [alpha, beta] = await Promise.all([Twin.create(parts, ALPHA, upstreams[0]), Twin.create(parts, BETA, upstreams[1])]);
}, 120_000);

afterAll(async () => {
  await Promise.all([alpha, beta].map((each) => each?.[Symbol.asyncDispose]()));
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const both = <T>(work: (twin: Twin, other: Twin) => Promise<T>) => Promise.all([work(alpha, beta), work(beta, alpha)]);
/** What must never be in an answer to the other one. */
const secretsOf = ({ mark, tenant, agentId, person }: Twin) => [mark, tenant, agentId, person.key.client_id];
const expectNothingOf = (other: Twin, text: unknown, what: string) => {
  const found = secretsOf(other).filter((each) => JSON.stringify(text).includes(each));
  expect({ what, found }).toEqual({ what, found: [] });
};
const events = async (twin: Twin, query: string): Promise<AuditEvent[]> =>
  (await twin.person.get<{ events: { event: AuditEvent }[] }>(`/v1/audit/events?${query}`)).events.map(
    ({ event }) => event,
  );

/** Events as soon as they are in the record, which is seconds later on a busy machine. */
const sealed = (twin: Twin, query: string) =>
  eventually(() => events(twin, query).then((found) => found.length > 0 && found), { timeoutMs: 40_000 });

test('both do the same under the same names, and each gets its own', async () => {
  verifies('tenants.apart');
  await both(async (each) => {
    const { mark, person } = each;
    const options = { id: same.run, queue: same.queue };
    const run = await each.writ.start(twin, { mark }, options);
    await run.send('go', { mark }, { idempotencyKey: 'same' });
    const approval = await eventually(async () => {
      const { approvals = [] } = await person.get<{ approvals?: { id: string }[] }>(
        `/v1/approvals?state=requested&run=${same.run}`,
      );
      return approvals[0];
    });
    await person.post(`/v1/approvals/${approval.id}:decide`, { verdict: 'approve', reason: `${mark} may` });
    const result = await run.result({ timeout: '30s' });
    expect(result).toMatchObject({ mark, kept: { kept: mark }, go: { mark } });
    expect(JSON.stringify(result)).toContain(`answered for ${mark}`);
    const again = await each.call('POST', '/v1/memory', {
      scope: same.scope,
      text: `the same scope says ${mark}`,
      effectId: same.effect,
    });
    expect(again.status).toBe(200);
  });
}, 60_000);

test('a schedule, its trigger, its run and a batch of the same ids are done for each', async () => {
  verifies('tenants.apart');
  await both(async ({ agentId: agent, mark, person }, other) => {
    const definition = { cron: '@yearly', workflow: 'scheduled', queue: same.queue, agent, jsonInput: { mark } };
    await person.post('/v1/schedules', { id: same.schedule, definition });
    const trigger = () =>
      person.post<{ run: string }>(`/v1/schedules/${same.schedule}:trigger`, { idempotencyKey: 'same' });
    const { run } = await trigger();
    expect(await trigger()).toMatchObject({ run });
    const schedule = await eventually(async () => {
      const found = await person.get<{ schedule: { started?: string } }>(`/v1/schedules/${same.schedule}`);
      return found.schedule.started !== undefined && found.schedule.started !== '0' && found.schedule;
    });
    expect(schedule).toMatchObject({ definition: { agent, jsonInput: { mark } }, started: '1', recent: [{ run }] });
    const filter = 'workflow = "scheduled"';
    await person.post('/v1/batches', { id: same.batch, action: 'cancel', force: true, filter, reason: `for ${mark}` });
    const { batch } = await person.get<{ batch: object }>(`/v1/batches/${same.batch}?wait=20s`);
    expect(batch).toMatchObject({ reason: `for ${mark}`, state: 'BATCH_STATE_DONE', expected: '1', done: '1' });
    expectNothingOf(other, [batch, schedule], 'schedule and batch');
  });
}, 30_000);

describe('what one lists, searches, counts and follows', () => {
  const lists = [
    '/v1/runs',
    '/v1/agents',
    '/v1/people',
    '/v1/revocations',
    '/v1/artifacts',
    '/v1/sandboxes',
    '/v1/tools',
    '/v1/tool-servers',
    '/v1/policies/versions',
    '/v1/policies',
    '/v1/approvals?state=consumed',
    `/v1/memory?scope=${same.scope}`,
    `/v1/memory:search?scope=${same.scope}&query=${encodeURIComponent(same.question)}`,
    '/v1/audit/events?pageSize=1000',
    `/v1/audit/events?run=${same.run}`,
    `/v1/audit/bundle?run=${same.run}`,
    '/v1/whoami',
    '/v1/runs:count?groupBy=workflow',
    '/v1/schedules',
    '/v1/batches',
  ];

  test('is its own', async () => {
    verifies('tenants.apart');
    await both(async (each, other) => {
      for (const target of lists) {
        const [asPerson, asAgent] = [await each.ask('GET', target), await each.call('GET', target)];
        expectNothingOf(other, asPerson, target);
        expectNothingOf(other, asAgent, target);
        expect({ target, status: asPerson.status }).toEqual({ target, status: 200 });
      }
      const search = await each.ask('GET', lists[12] as string);
      expect(JSON.stringify(search.body)).toContain(each.mark);
    });
  }, 30_000);

  test('is its own, also behind a page token or a cursor of the other', async () => {
    verifies('tenants.apart');
    const paged = ['/v1/runs', '/v1/artifacts', '/v1/audit/events', '/v1/audit/events?ascending=true'];
    await both(async (each, other) => {
      for (const target of paged) {
        const page = `${target}${target.includes('?') ? '&' : '?'}pageSize=1`;
        const { nextPageToken } = await other.person.get<{ nextPageToken?: string }>(page);
        expect({ target, nextPageToken }).toEqual({ target, nextPageToken: expect.any(String) });
        const theirs = `${page}&pageToken=${encodeURIComponent(nextPageToken ?? '')}`;
        expectNothingOf(other, (await each.ask('GET', theirs)).body, theirs);
      }
    });
  }, 30_000);

  test('are events of its own, live and behind a cursor of the other', async () => {
    verifies('tenants.apart');
    await both(async (each, other) => {
      const stop = new AbortController();
      const own = follow(each, '', stop.signal);
      const seen = follow(other, '', stop.signal);
      await eventually(() => own.open && seen.open);
      await both(({ agent, mark }) => agent.post('/v1/memory', { scope: same.scope, text: `news of ${mark}` }));
      const cursor = await eventually(() => /^id: (\S+)$/m.exec(seen.text)?.[1]);
      const behind = follow(each, `?after=${encodeURIComponent(cursor)}`, stop.signal);
      await eventually(() => behind.open);
      await both(({ agent, mark }) => agent.post('/v1/memory', { scope: same.scope, text: `more of ${mark}` }));
      await eventually(() => own.text.includes(`more of ${each.mark}`) && behind.text.includes(`more of ${each.mark}`));
      await eventually(() => seen.text.includes(`more of ${other.mark}`));
      stop.abort();
      for (const { text } of [own, behind]) expectNothingOf(other, text, 'events');
    });
  }, 30_000);
});

describe('what one asks for by the names and ids of the other', () => {
  /** What only the other has. */
  interface Theirs {
    run: string;
    sandbox: string;
    memory: string;
    approval: string;
    event: string;
    policies: string;
  }
  const theirs = new Map<Twin, Theirs>();

  beforeAll(async () => {
    await both(async (each) => {
      const run = `run_only-${each.mark}`;
      await each.agent.post('/v1/runs', { id: run, workflow: 'nobody-serves-it', queue: same.queue });
      const asks = await each.writ.start(twin, { mark: each.mark }, { id: `run_asks-${each.mark}`, queue: same.queue });
      await asks.send('go', { mark: each.mark });
      const [sandbox, [started], memories, approvals, set] = await Promise.all([
        each.sandbox(),
        sealed(each, `subject=${run}`),
        each.agent.get<{ memories: { id: string }[] }>(`/v1/memory?scope=${same.scope}`),
        sealed(each, `type=approval.requested.v1&run=${asks.id}`),
        each.person.get<{ version: string }>('/v1/policies'),
      ]);
      const [memory, approval] = [memories.memories[0]?.id ?? '', approvals[0]?.subject ?? ''];
      theirs.set(each, { run, sandbox, memory, approval, event: started?.id ?? '', policies: set.version });
    });
  }, 60_000);

  /** Every way to name something over REST: with the id of the other, and with one that nobody has. */
  const probes: [keyof Theirs | 'agent' | 'person' | 'artifact' | 'server', string, string, object?][] = [
    ['run', 'GET', '/v1/runs/{id}'],
    ['run', 'GET', '/v1/runs/{id}:result?wait=2s'],
    ['run', 'POST', '/v1/runs/{id}:send', { message: 'go', jsonData: { mark: 'x' }, idempotencyKey: 'same' }],
    ['run', 'POST', '/v1/runs/{id}:cancel', {}],
    ['run', 'POST', '/v1/runs/{id}:resume', {}],
    ['run', 'POST', '/v1/runs/{id}:replay', {}],
    ['run', 'POST', '/v1/runs', { workflow: 'child', parent: '{id}' }],
    ['run', 'GET', '/v1/audit/bundle?run={id}'],
    ['run', 'GET', '/v1/audit/events?run={id}'],
    ['run', 'GET', '/v1/audit/events?subject={id}'],
    ['run', 'GET', '/v1/approvals?state=requested&run={id}'],
    ['run', 'GET', '/v1/sandboxes?run={id}'],
    ['sandbox', 'GET', '/v1/sandboxes/{id}'],
    ['sandbox', 'POST', '/v1/sandboxes/{id}:exec', { argv: ['/bin/true'] }],
    ['sandbox', 'GET', '/v1/sandboxes/{id}/files?path=same'],
    ['sandbox', 'PUT', '/v1/sandboxes/{id}/files', { path: 'same', data: 'eA==' }],
    ['sandbox', 'POST', '/v1/sandboxes/{id}/files:change', { path: '.', verb: 'list' }],
    ['sandbox', 'POST', '/v1/sandboxes/{id}:stop', {}],
    ['artifact', 'GET', '/v1/artifacts/{id}'],
    ['artifact', 'POST', '/v1/sandboxes', { from: '{id}' }],
    ['artifact', 'GET', '/git/{id}.git/info/refs?service=git-upload-pack'],
    ['memory', 'DELETE', '/v1/memory/{id}?reason=x'],
    ['approval', 'GET', '/v1/approvals/{id}?wait=2s'],
    ['approval', 'POST', '/v1/approvals/{id}:decide', { verdict: 'approve' }],
    ['event', 'GET', '/v1/audit/events/{id}'],
    ['event', 'GET', '/v1/audit/events/{id}/proof'],
    ['policies', 'GET', '/v1/policies?version={id}'],
    ['agent', 'GET', '/v1/agents/{id}'],
    ['agent', 'PUT', '/v1/agents/{id}/capabilities', { capabilities: [] }],
    ['agent', 'DELETE', '/v1/agents/{id}/keys/same'],
    ['agent', 'POST', '/v1/revocations', { subject: '{id}', reason: 'x' }],
    ['agent', 'GET', '/v1/audit/events?agent={id}'],
    ['agent', 'GET', '/v1/audit/bundle?agent={id}'],
    ['agent', 'POST', '/v1/runs', { workflow: 'theirs', agent: '{id}' }],
    [
      'agent',
      'POST',
      '/v1/policies:check',
      { principal: '{id}', action: 'tool.call', resourceType: 'Tool', resource: 'notes/note' },
    ],
    ['person', 'GET', '/v1/people/{id}'],
    ['person', 'POST', '/v1/revocations', { subject: '{id}', reason: 'x' }],
    ['server', 'GET', '/v1/tools?server={id}'],
    ['server', 'DELETE', '/v1/tool-servers/{id}'],
    ['server', 'POST', '/v1/tools:approve', { name: '{id}.note', hash: 'sha256:00' }],
    ['server', 'POST', '/v1/tools:call', { tool: '{id}.note', arguments: { text: 'x' } }],
    ['server', 'POST', '/v1/tools:begin', { tool: '{id}.note', arguments: { text: 'x' }, effectId: 'own' }],
  ];

  const idOf = (kind: (typeof probes)[number][0], { mark, agentId, person, ...twin }: Twin, all: Theirs): string => {
    void twin;
    if (kind === 'agent') return agentId;
    if (kind === 'person') return person.key.client_id;
    if (kind === 'artifact') return `art_only-${mark}`;
    return kind === 'server' ? `only-${mark}` : all[kind];
  };
  /** One that nobody has, of the same form. */
  const unknownLike = (id: string): string => {
    const [, prefix = '', rest = ''] = /^([a-z]+_|only-|v?)(.*)$/.exec(id) ?? [];
    const other = rest.replace(/[0-9a-f]{6}$|.{4}$/, (end) =>
      [...end].map((each) => (each === '7' ? '8' : '7')).join(''),
    );
    return `${prefix}${other === rest ? randomUUID() : other}`;
  };
  const comparable = (answer: unknown, id: string): string =>
    JSON.stringify(answer)
      .replaceAll(id, '<id>')
      .replace(/"(requestId|instance|position|nextPageToken|id|eventId|checkpoint)":"[^"]*"/g, '"$1":"…"')
      .replace(/req_[\w-]+/g, 'req');

  test('is answered like an id that nobody has, over REST', async () => {
    verifies('tenants.no_oracle');
    await both(async (each, other) => {
      const differences: unknown[] = [];
      for (const [kind, method, target, body] of probes) {
        const id = idOf(kind, other, theirs.get(other) as Theirs);
        expect({ kind, id }).toEqual({ kind, id: expect.stringMatching(/.{5,}/) });
        const [about, unknown] = [id, unknownLike(id)];
        const filled = (text: string, with_: string) => text.replaceAll('{id}', with_);
        const ask = (with_: string) =>
          each.ask(method, filled(target, with_), body && JSON.parse(filled(JSON.stringify(body), with_)));
        const [theirsSays, nobodySays] = [await ask(about), await ask(unknown)];
        const [got, wanted] = [comparable(theirsSays, about), comparable(nobodySays, unknown)];
        if (got !== wanted) differences.push({ probe: `${method} ${target}`, got, wanted });
        if (theirsSays.status >= 500) differences.push({ probe: `${method} ${target}`, got });
        expectNothingOf(other, comparable(theirsSays, about), `${method} ${target}`);
      }
      expect(differences).toEqual([]);
    });
  }, 60_000);

  test('is answered like an id that nobody has, over gRPC', async () => {
    verifies('tenants.no_oracle');
    await both(async (each, other) => {
      const all = theirs.get(other) as Theirs;
      const channel = new GrpcChannel(stack.grpc, {
        metadata: async () => ({ authorization: `Bearer ${await each.tokenOf()}` }),
      });
      const [runs, sandboxes, workers] = [RunService, SandboxService, WorkerService].map((service) =>
        clientOf(service as typeof RunService, channel),
      ) as unknown as [
        ReturnType<typeof clientOf<typeof RunService>>,
        ReturnType<typeof clientOf<typeof SandboxService>>,
        ReturnType<typeof clientOf<typeof WorkerService>>,
      ];
      const refusal = (work: Promise<unknown>) =>
        work.then(
          () => 'answered',
          (error: Error) => error.message,
        );
      const first = async (stream: AsyncIterable<unknown>) => {
        for await (const each of stream) return each;
        return undefined;
      };
      const [completed] = await events(other, `run=${same.run}&type=run.step_completed.v1&pageSize=1000`).then(
        (found) => found.flatMap(({ data }) => /sha256:[0-9a-f]{64}/.exec(JSON.stringify(data))?.[0] ?? []),
      );
      const hash = completed as string;
      for (const [id, ask] of [
        [all.run, (id: string) => runs.getRun({ id })],
        [all.run, (id: string) => runs.getRunResult({ id, wait: { seconds: 1n } })],
        [all.run, (id: string) => runs.cancelRun({ id })],
        [all.sandbox, (id: string) => sandboxes.getSandbox({ id })],
        [all.sandbox, (id: string) => first(sandboxes.exec({ id, argv: ['/bin/true'] }))],
        [hash, (hash: string) => first(workers.readValue({ blob: { hash, sizeBytes: 1n } }))],
      ] as const) {
        const unknown = unknownLike(id);
        const [got, wanted] = [await refusal(ask(id)), await refusal(ask(unknown))];
        expect(got.replaceAll(id, '<id>')).toBe(wanted.replaceAll(unknown, '<id>'));
        expect(got).not.toBe('answered');
      }
      channel.close();
    });
  }, 30_000);
});

/** A subscription to events as text. */
function follow(twin: Twin, query: string, signal: AbortSignal): { text: string; open: boolean } {
  const stream = { text: '', open: false };
  const read = async () => {
    const headers = { authorization: `Bearer ${await twin.tokenOf()}`, accept: 'text/event-stream' };
    const response = await fetch(`${stack.url}/v1/events${query}`, { headers, signal });
    stream.open = response.ok;
    const decoder = new TextDecoder();
    for await (const chunk of response.body as ReadableStream<Uint8Array>)
      stream.text += decoder.decode(chunk, { stream: true });
  };
  read().catch((error: unknown) => {
    if (!signal.aborted) stream.text += String(error);
  });
  return stream;
}

test('the MCP endpoint serves each its own servers, and a session of the other is none', async () => {
  verifies('tenants.apart');
  await both(async (each, other) => {
    const list = await mcp(each, 'tools/list', {});
    expect(list.text).toContain('notes');
    expectNothingOf(other, list.text, 'tools/list');
    const params = { name: 'notes.note', arguments: { text: 'x' }, _meta: { 'writ/effect-id': 'same-call' } };
    const called = await mcp(each, 'tools/call', params);
    expect(called.text).toContain(`answered for ${each.mark}`);
    const { session } = await mcp(other, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'same', version: '1' },
    });
    if (session === null) return; // it keeps none
    const unknown = session.replace(/.{6}$/, (end) => (end === '000000' ? '111111' : '000000'));
    const [theirs, nobodys] = [await mcp(each, 'tools/list', {}, session), await mcp(each, 'tools/list', {}, unknown)];
    expect({ status: theirs.status, text: theirs.text }).toEqual({ status: nobodys.status, text: nobodys.text });
    expect(theirs.status).not.toBe(200);
    expect((await mcp(other, 'tools/list', {}, session)).status).toBe(200);
  });
}, 30_000);

async function mcp(twin: Twin, method: string, params: object, session?: string) {
  const response = await fetch(`${stack.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      authorization: `Bearer ${await twin.tokenOf(undefined, `${stack.url}/mcp`)}`,
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return { status: response.status, session: response.headers.get('mcp-session-id'), text: await response.text() };
}

test('a run, a token and a sandbox survive what the other revokes under their ids', async () => {
  verifies('tenants.revocation');
  const [, theirs] = await both(async (each) => {
    await each.agent.post('/v1/runs', { id: same.revoked, workflow: 'nobody-serves-it', queue: same.queue });
    return { token: await each.tokenOf(same.revoked), sandbox: await each.sandbox(same.revoked) };
  });
  const { jti } = JSON.parse(Buffer.from(theirs.token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
  for (const subject of [same.revoked, jti])
    await alpha.person.post('/v1/revocations', { subject, reason: 'mine are to end' });
  await eventually(
    async () =>
      (await alpha.ask('GET', `/v1/runs/${same.revoked}`)).body &&
      events(alpha, 'type=sandbox.stopped.v1').then((all) => all.length > 0),
  );
  const exec = { argv: ['/bin/true'] };
  expect(await answered(stack.url, theirs.token, 'POST', `/v1/sandboxes/${theirs.sandbox}:exec`, exec)).toMatchObject({
    status: 200,
  });
  expect(await answered(stack.url, theirs.token, 'GET', `/v1/runs/${same.revoked}`)).toMatchObject({
    body: { run: { state: 'RUN_STATE_QUEUED' } },
  });
}, 30_000);

test('metrics and health name nothing that a tenant has or chose', async () => {
  verifies('metrics.labels');
  const urls = lines.flatMap((line) => /"httpUrl":"([^"]+)"/.exec(line)?.[1] ?? []);
  expect(urls.length).toBeGreaterThanOrEqual(8);
  for (const url of urls)
    for (const page of ['/metrics', '/health/ready']) {
      const text = await (await fetch(`${url}${page}`)).text();
      const names = [
        ...secretsOf(alpha),
        ...secretsOf(beta),
        same.run,
        'run_only',
        same.scope,
        'notes',
        'twin',
        'nobody-serves',
      ];
      expect({ page: `${url}${page}`, found: names.filter((each) => text.includes(each)) }).toMatchObject({
        found: [],
      });
    }
}, 30_000);

test('every table of every service that has a tenant is under row-level security, and no other holds what is a tenant’s', async () => {
  verifies('tenants.row_level_security');
  const { url } = JSON.parse(readFileSync(path.join(folder, 'data/postgres/postgres.json'), 'utf8')) as { url: string };
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  try {
    const { rows } = await owner.query<{ table: string; tenant: boolean; guarded: boolean }>(`
      SELECT n.nspname || '.' || c.relname AS table,
        EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant' AND NOT attisdropped) AS tenant,
        c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS guarded
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1`);
    expect(rows.filter(({ tenant, guarded }) => tenant && !guarded)).toEqual([]);
    expect(rows.filter(({ tenant }) => tenant).length).toBeGreaterThanOrEqual(12);
    const without = rows.filter(({ tenant, table }) => !tenant && !/\.(migration|ledger_checkpoint)$/.test(table));
    // A table that is added here must not hold anything that belongs to a tenant.
    expect(without.map(({ table }) => table)).toEqual([
      'audit.sealed_commit',
      'identity.oauth_models',
      'identity.sealed_keys',
      'identity.signing_keys',
    ]);
  } finally {
    await owner.end();
  }
}, 30_000);
