/** What operators see of a run: one trace of all that it led to, metrics as the page lists them, and nothing that is secret. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { context, ROOT_CONTEXT, trace, type Context, type ContextManager } from '@opentelemetry/api';
import { clientOf, GrpcChannel } from '@writ/api';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { connect, tool, workflow, type Worker, type Writ } from '@writ/sdk';
import { OAuthClient } from '@writ/sdk/oauth';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import * as z from 'zod';
import { Upstream } from '../bench/revocation-upstream.js';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { Collector, type Span } from './observability-collector.js';
import { answered } from './tenants-twins.js';

/** One for every place where somebody may put a secret; none is like another. */
const planted = new Map<string, string>();
const secret = (place: string): string => {
  const value = planted.get(place) ?? `s3cr3t${randomBytes(12).toString('hex')}`;
  planted.set(place, value);
  return value;
};

const own = tool({
  name: 'shelf.note',
  description: 'Keeps a note',
  effect: 'write',
  input: z.object({ text: z.string() }),
  run: async ({ text }) => ({ kept: text, more: secret('result of a tool') }),
});
const observed = workflow({
  name: 'observed',
  input: z.object({ text: z.string() }),
  messages: { go: z.object({ text: z.string() }) },
  async run(ctx, { text }) {
    await ctx.step('look', () => `${text}${secret('result of a step')}`);
    await ctx.call(own, { text: secret('arguments of an own tool') });
    await ctx.call('notes/note', { text: secret('arguments of a tool') });
    const go = await ctx.wait('go', { timeout: '1h' });
    const { value } = await ctx.ask({
      title: 'May it?',
      detail: { text: secret('detail of an approval') },
      timeout: '1h',
    });
    return { go: go.text, value, result: secret('result of a run') };
  },
});

const lines: string[] = [];
const errorBodies: string[] = [];
let folder: string;
let stack: OwnStack;
let collector: Collector;
let upstream: Upstream;
let person: Rest;
let agent: Rest;
let agentKey: Key;
let personKey: Key;
let writ: Writ;
let worker: Worker;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-observed-'));
  [collector, upstream] = await Promise.all([Collector.start(), Upstream.start()]);
  stack = await startStack(path.join(folder, 'data'), {
    flags: ['--log', 'trace'],
    env: { WRIT_OTLP_URL: collector.url, WRIT_TOOL_HTTP_HOSTS: upstream.host, WRIT_ARTIFACT_SOURCES: 'https://,/' },
    say: (line) => void lines.push(line),
  });
  const operator = new Rest(stack.url, stack.operator);
  const { id: tenant } = await operator.post<{ id: string }>('/v1/tenants', { name: 'observed' });
  const [ofPerson, ofAgent] = [newKeyPair(), newKeyPair()];
  const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
    name: 'Ada',
    jwk: JSON.stringify(ofPerson.publicJwk),
    capabilities: [{ actions: ['*'] }],
  });
  personKey = { client_id: id, jwk: ofPerson.jwk };
  person = operator.as(personKey);
  const made = await person.post<{ agent: { id: string } }>('/v1/agents', {
    name: 'worker',
    jwk: JSON.stringify(ofAgent.publicJwk),
    capabilities: [{ actions: ['*'] }],
  });
  agentKey = { client_id: made.agent.id, jwk: ofAgent.jwk };
  agent = operator.as(agentKey);
  const text = `permit (principal, action, resource);`;
  await person.put('/v1/policies', { files: [{ name: 'all.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
  await person.post('/v1/tool-servers', { name: 'notes', spec: { http: { url: upstream.url } } });
  const { tools } = await person.get<{ tools: { name: string; hash: string }[] }>('/v1/tools?server=notes');
  for (const { name, hash } of tools) await person.post('/v1/tools:approve', { name, hash });
  const oauth = new OAuthClient(
    `${stack.url}/oauth`,
    { clientId: agentKey.client_id, jwk: agentKey.jwk as never },
    fetch,
  );
  writ = connect({
    url: stack.url,
    token: async (run) => {
      const token = await agent.accessToken();
      return run === undefined ? token : (await oauth.forRun(run, token, 'urn:writ:api')).value;
    },
  });
  worker = await writ.serve({ workflows: [observed], tools: [own] });
}, 120_000);

afterAll(async () => {
  await worker?.[Symbol.asyncDispose]();
  await writ?.[Symbol.asyncDispose]();
  await stack?.stop();
  await Promise.all([collector, upstream].map((each) => each?.[Symbol.asyncDispose]()));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** What an application that uses OpenTelemetry has: the span that is active where the SDK is called. */
class Active implements ContextManager {
  private readonly store = new AsyncLocalStorage<Context>();
  active = () => this.store.getStore() ?? ROOT_CONTEXT;
  with = ((scope: Context, work: (...given: unknown[]) => unknown, self?: unknown, ...given: unknown[]) =>
    this.store.run(scope, () => work.apply(self, given))) as ContextManager['with'];
  bind = <T>(_scope: Context, target: T) => target;
  enable = () => this;
  disable = () => this;
}

/** Does the work under a span of the application. @returns the ids of that span */
async function traced(work: () => Promise<unknown>): Promise<{ traceId: string; spanId: string }> {
  const span = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), traceFlags: 1 };
  context.setGlobalContextManager(new Active());
  try {
    await context.with(trace.setSpanContext(ROOT_CONTEXT, span), work);
  } finally {
    context.disable();
  }
  return span;
}

test('one trace leads from the SDK’s call over door, command, commit, reaction and tool to the outcome', async () => {
  verifies('observability.one_trace');
  let result: unknown;
  const { traceId, spanId } = await traced(async () => {
    const run = await writ.start(observed, { text: secret('input of a run') }, { id: 'run_observed' });
    await run.send('go', { text: secret('content of a message') });
    const approval = await eventually(async () => {
      const { approvals = [] } = await person.get<{ approvals?: { id: string }[] }>('/v1/approvals?state=requested');
      return approvals[0];
    });
    await person.post(`/v1/approvals/${approval.id}:decide`, {
      verdict: 'approve',
      reason: secret('reason of an answer'),
      value: secret('value of an answer'),
    });
    result = await run.result({ timeout: '30s' });
  });
  expect(result).toMatchObject({ result: secret('result of a run') });

  const hops: [service: string, name: string, below: string][] = [
    ['gateway', 'gateway/scheduler', 'the application'],
    ['scheduler', 'writ.run.v1.RunService.StartRuns', 'gateway/scheduler'],
    ['scheduler', 'command run.starts', 'writ.run.v1.RunService.StartRuns'],
    ['gateway', 'gateway/tools', 'command run.starts'],
    ['tools', 'writ.tools.v1.ToolService.BeginCall', 'gateway/tools'],
    ['tools', 'writ.tools.v1.ToolService.CallTool', 'gateway/tools'],
    ['tools', 'command action.intend', 'writ.tools.v1.ToolService.CallTool'],
    ['tools', 'action tool.call', 'writ.tools.v1.ToolService.CallTool'],
    ['tools', 'command action.complete', 'action tool.call'],
    ['tools', 'command action.complete', 'writ.tools.v1.ToolService.EndCall'],
    ['scheduler', 'reaction run-consequences run.waiting.v1', 'command run.starts'],
    ['policy', 'command approval.request', 'reaction run-consequences run.waiting.v1'],
    ['scheduler', 'reaction run-consequences run.succeeded.v1', 'command run.starts'],
    ['identity', 'command grant.close', 'reaction run-consequences run.succeeded.v1'],
  ];
  const lead = () => {
    const spans = collector.of(traceId);
    const names = new Map<string, string>([[spanId, 'the application'], ...nameById(spans)]);
    return spans.map((span) => [
      span.service.replace('writ-', ''),
      span.name,
      names.get(span.parentSpanId ?? '') ?? 'nothing',
    ]);
  };
  const missing = () => hops.filter((hop) => !lead().some((span) => String(span) === String(hop)));
  await eventually(() => missing().length === 0, { timeoutMs: 15_000 }).catch(() =>
    expect({ missing: missing(), found: lead() }).toEqual({ missing: [], found: [] }),
  );
  // Every span of the trace hangs below the application's.
  const loose = () => lead().filter(([, , below]) => below === 'nothing');
  await eventually(() => loose().length === 0, { timeoutMs: 15_000 }).catch(() => expect(loose()).toEqual([]));
  const commits = collector.of(traceId).filter(({ name }) => /^command (run.start|action|approval.request)/.test(name));
  for (const { attributes } of commits) expect(attributes['writ.position']).toMatch(/^[a-z-]+\/\d\d\/\d+\/\d+$/);

  const search = await eventually(async () => {
    const found = await person.get<{ events: { event: { type: string; trace?: string } }[] }>(
      '/v1/audit/events?run=run_observed&pageSize=1000',
    );
    return found.events.some(({ event }) => event.type === 'run.succeeded.v1') && found;
  });
  const outside = search.events.filter(({ event }) => !event.trace?.includes(traceId)).map(({ event }) => event.type);
  // An answer belongs to the trace of who gives it; a token, and the grant that it needs, are asked for before there is a call.
  const others = ['run.answered.v1', 'run.authority_requested.v1', 'token.issued.v1'];
  expect([...new Set(outside)].sort()).toEqual(others);
}, 60_000);

const nameById = (spans: readonly Span[]) => spans.map(({ spanId, name }) => [spanId, name] as const);

/** Addresses of all services, as each says them when it is ready. */
const services = () => [
  ...new Set(
    lines.flatMap((line) => /"service":"([\w-]+)".*"httpUrl":"([^"]+)"/.exec(line)?.slice(1, 3).join(' ') ?? []),
  ),
];

describe('what is planted where secrets may be', () => {
  const assertion = { value: '' };
  let tokens: string[];

  beforeAll(async () => {
    const [ofAgent, ofPerson] = await Promise.all([agent.accessToken(), person.accessToken()]);
    tokens = [ofAgent, ofPerson];
    await useEverything(ofAgent);
    await misuseEverything(ofAgent, assertion);
  }, 60_000);

  async function useEverything(token: string): Promise<void> {
    const attributes = { note: secret('attribute of a memory') };
    await agent.post('/v1/memory', { scope: 'observed', text: `the text ${secret('text of a memory')}`, attributes });
    await agent.get(`/v1/memory:search?scope=observed&query=${secret('question to memory')}`);
    const { sandbox } = await agent.post<{ sandbox: { id: string } }>('/v1/sandboxes', { name: 'observed' });
    const channel = new GrpcChannel(stack.grpc, { metadata: () => ({ authorization: `Bearer ${token}` }) });
    const exec = clientOf(SandboxService, channel).exec({
      id: sandbox.id,
      argv: ['/bin/sh', '-c', `cat; echo ${secret('argument of a command')}; exit 3`],
      env: { TOKEN: secret('environment of a command') },
      stdin: Buffer.from(secret('input of a command')),
    });
    for await (const _frame of exec);
    await clientOf(MemoryService, channel).remember({ scope: 'observed', text: secret('text of a memory, over gRPC') });
    channel.close();
    const data = Buffer.from(secret('content of a file')).toString('base64');
    await answered(stack.url, token, 'PUT', `/v1/sandboxes/${sandbox.id}/files`, { path: 'note', data });
    await answered(stack.url, token, 'POST', `/v1/sandboxes/${sandbox.id}:stop`, {});
  }

  /** What fails has more to say, and says more than it should sooner. */
  async function misuseEverything(token: string, assertion: { value: string }): Promise<void> {
    const fail = async (method: string, target: string, body?: unknown, bearer = token) => {
      const { status, body: answer } = await answered(stack.url, bearer, method, target, body);
      expect({ target: target.split('?')[0], status: status >= 400 && status < 500 }).toMatchObject({ status: true });
      errorBodies.push(JSON.stringify(answer));
    };
    await fail('GET', '/v1/runs', undefined, secret('token that is none'));
    await fail('GET', '/v1/runs', undefined, `${token.slice(0, -40)}${secret('signature of a token')}`);
    await fail('GET', `/v1/nowhere?token=${secret('query of no route')}`);
    await fail('GET', `/v1/runs/run_none?access_token=${secret('token in a query')}`);
    await fail('POST', '/v1/tools:call', { tool: 'notes/none', arguments: { text: secret('arguments of no tool') } });
    const source = `https://git:${secret('password in a URL')}@127.0.0.1:1/repository.git`;
    await fail('POST', '/v1/artifacts', { source });
    const env = { TOKEN: secret('environment of a server') };
    await answered(stack.url, await person.accessToken(), 'POST', '/v1/tool-servers', {
      name: 'broken',
      spec: { stdio: { argv: ['/bin/false'], env } },
    }).then(({ body }) => errorBodies.push(JSON.stringify(body)));
    for (const text of [
      `{"scope": "observed", "text": "${secret('body that breaks off')}`,
      secret('body that is no JSON'),
    ])
      errorBodies.push(await raw('/v1/memory', text, { authorization: `Bearer ${token}` }));
    assertion.value = await failedAssertion();
  }

  async function raw(target: string, body: string, headers: Record<string, string>): Promise<string> {
    const response = await fetch(`${stack.url}${target}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    return response.text();
  }

  /** An assertion that is good for itself, for a resource that there is not. */
  async function failedAssertion(): Promise<string> {
    const oauth: string[] = [];
    const client = new OAuthClient(
      `${stack.url}/oauth`,
      { clientId: agentKey.client_id, jwk: agentKey.jwk as never },
      async (target, init) => {
        oauth.push(String(new URLSearchParams(String(init?.body)).get('client_assertion')));
        const response = await fetch(target as string, init);
        errorBodies.push(await response.clone().text());
        return response;
      },
    );
    await expect(client.own('urn:nowhere')).rejects.toThrow();
    return oauth.find((each) => each.includes('.')) ?? '';
  }

  const outputs = async (): Promise<[string, string][]> => {
    const pages = services().flatMap((each) => {
      const [name, url] = each.split(' ');
      return ['/metrics', '/health/ready', '/health/live'].map((page) => [`${name}${page}`, `${url}${page}`] as const);
    });
    expect(pages.length).toBe(8 * 3);
    return [
      ...(await Promise.all(
        pages.map(async ([name, url]): Promise<[string, string]> => [name, await (await fetch(url)).text()]),
      )),
      ['a line of a log', lines.join('\n')],
      ['a span', collector.text],
    ];
  };
  const credentials = (): [string, string][] => [
    ['key of the agent', String(agentKey.jwk['d'])],
    ['key of the person', String(personKey.jwk['d'])],
    ['key of the operator', String(stack.operator.jwk['d'])],
    ...tokens.map((token, index): [string, string] => [`token ${index}`, token.split('.')[2] ?? '']),
    ['assertion', assertion.value.split('.')[2] ?? ''],
  ];

  test('is in no log line, no metric, no health page and no span', async () => {
    verifies('observability.no_secrets');
    expect(planted.size).toBeGreaterThanOrEqual(25);
    expect(lines.length).toBeGreaterThan(20);
    expect(collector.spans.length).toBeGreaterThan(20);
    await eventually(() => collector.text.includes('MemoryService.Remember'));
    const found = (await outputs()).flatMap(([where, text]) =>
      [...planted, ...credentials()].filter(([, value]) => text.includes(value)).map(([what]) => `${what} in ${where}`),
    );
    expect(credentials().filter(([, value]) => value.length < 20)).toEqual([]);
    expect(found).toEqual([]);
  }, 30_000);

  test('is in no answer to a request that failed', () => {
    verifies('observability.no_secrets');
    expect(errorBodies.length).toBeGreaterThanOrEqual(9);
    const found = errorBodies.flatMap((body) =>
      [...planted, ...credentials()].filter(([, value]) => body.includes(value)).map(([what]) => `${what}: ${body}`),
    );
    expect(found).toEqual([]);
  });

  test('is not in the ledger where it is a credential', async () => {
    verifies('observability.no_credentials_in_ledger');
    const kept = [
      'token that is none',
      'signature of a token',
      'token in a query',
      'password in a URL',
      'query of no route',
    ].map((place): [string, string] => [place, secret(place)]);
    const nats = Buffer.concat(filesBelow(path.join(folder, 'data/nats')).map((file) => readFileSync(file)));
    expect(nats.includes(secret('result of a step'))).toBe(true); // so the files are those of the ledger, and readable
    expect([...kept, ...credentials()].filter(([, value]) => nats.includes(value)).map(([what]) => what)).toEqual([]);
  }, 30_000);
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

test('log lines name tenant, run and trace', async () => {
  verifies('observability.log_lines');
  const named = lines.flatMap((line) => {
    try {
      const { msg, tenant, principal, run, trace } = JSON.parse(line) as Record<string, string>;
      return msg === 'a call was answered' && run === 'run_observed' ? [{ tenant, principal, trace }] : [];
    } catch {
      return [];
    }
  });
  expect(named[0]).toEqual({
    tenant: expect.stringMatching(/^tnt_/),
    principal: agentKey.client_id,
    trace: expect.stringMatching(/^00-[0-9a-f]{32}-/),
  });
});

test('the page of metrics lists what services answer, and nothing else', async () => {
  verifies('metrics.page');
  const page = readFileSync(path.join(projectRoot, 'infra/design/metrics.md'), 'utf8');
  const listed = page
    .split('\n')
    .filter((line) => line.startsWith('| `writ_'))
    .map((line) => {
      const [name = '', type = '', labels = ''] = line
        .split('|')
        .slice(1)
        .map((cell) => cell.trim().replaceAll('`', ''));
      return `${name} ${type} ${labels.split(' ').filter(Boolean).sort().join(' ')}`.trim();
    });
  const served = new Set<string>();
  const labels = new Map<string, Set<string>>();
  for (const each of services()) {
    const text = await (await fetch(`${each.split(' ')[1]}/metrics`)).text();
    for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (writ_\w+) (\w+)$/gm)) {
      const known = labels.get(`${name} ${type}`) ?? new Set<string>();
      labels.set(`${name} ${type}`, known);
      for (const [, pairs = ''] of text.matchAll(new RegExp(`^${name}(?:_bucket)?{([^}]*)}`, 'gm')))
        for (const [, label = ''] of pairs.matchAll(/(\w+)="/g))
          if (!['service', 'le'].includes(label)) known.add(label);
    }
  }
  for (const [metric, known] of labels) served.add(`${metric} ${[...known].sort().join(' ')}`.trim());
  // A metric that has had nothing to say yet shows no labels.
  const bare = (line: string) => line.split(' ').slice(0, 2).join(' ');
  expect([...served].map(bare).sort()).toEqual(listed.map(bare).sort());
  const full = [...served].filter((line) => line.split(' ').length > 2);
  expect(full.filter((line) => !listed.includes(line))).toEqual([]);
}, 30_000);
