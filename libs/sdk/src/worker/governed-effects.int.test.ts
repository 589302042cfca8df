import { afterEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { fromJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { RunService } from '@writ/proto/run/v1/run';
import { SandboxService, type ExecRequest } from '@writ/proto/sandbox/v1/sandbox';
import {
  ToolService,
  type BeginCallRequest,
  type CallToolRequest,
  type EndCallRequest,
} from '@writ/proto/tools/v1/tools';
import { Kind, WorkerService } from '@writ/proto/worker/v1/worker';
import * as z from 'zod';
import { connect } from '../client/connect.js';
import { decodeBytes } from '../codec/codec.js';
import { tool } from '../define/tool.js';
import { workflow, type Workflow } from '../define/workflow.js';
import { DeniedError, WritError } from '../errors/errors.js';
import { recall, remember } from '../tools.js';
import { FakeScheduler } from './fake/fake-scheduler.js';
import { FakeRefusal, grpcFake, type Handler } from './fake/grpc-fake.js';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Services that note what they are asked, and for whom. */
async function platform(
  workflows: readonly Workflow[],
  handlers: {
    tools?: Record<string, Handler>;
    sandbox?: Record<string, Handler>;
    memory?: Record<string, Handler>;
    runs?: Record<string, Handler>;
  },
) {
  const fake = new FakeScheduler();
  const asked: { method: string; token: string; request: Record<string, unknown> }[] = [];
  const noting = (service: Record<string, Handler> = {}) =>
    Object.fromEntries(
      Object.entries(service).map(([method, handler]): [string, Handler] => [
        method,
        (request: never, headers, cancelled) => {
          asked.push({
            method,
            token: String(headers.get('authorization')[0]),
            request: request as Record<string, unknown>,
          });
          return handler(request, headers, cancelled);
        },
      ]),
    );
  const server = await grpcFake(
    [WorkerService, fake.handlers],
    [ToolService, noting({ registerTools: () => ({}), ...handlers.tools })],
    [SandboxService, noting(handlers.sandbox)],
    [MemoryService, noting(handlers.memory)],
    [RunService, noting(handlers.runs)],
  );
  const fetch = (async () =>
    Response.json({
      issuer: 'http://i.test',
      audience: 'a',
      grpc: server.address,
    })) as unknown as typeof globalThis.fetch;
  const writ = connect({
    url: 'http://writ.test',
    fetch,
    token: async (run) => (run === undefined ? 'of the agent' : `of ${run}`),
  });
  open.push(
    () => server.stop(),
    () => writ[Symbol.asyncDispose](),
  );
  const serve = (tools: NonNullable<Parameters<typeof writ.serve>[0]['tools']> = []) =>
    writ.serve({ workflows, tools });
  const result = async (id: string, name: string, input?: unknown) => {
    const end = await fake.ended(fake.start(id, name, input));
    return end.case === 'completed' && end.value.value.case === 'json' ? decodeBytes(end.value.value.value) : end;
  };
  return { fake, asked, writ, serve, result };
}

const allow = { id: 'dec_1', outcome: 'allow' };

describe('a call of an MCP tool', () => {
  const file = workflow({
    name: 'file',
    async run(ctx) {
      return ctx.call('tracker/create', { title: 'x', due: new Date(0) }).catch((error: unknown) => {
        if (error instanceof DeniedError) return { denied: error.code, reasons: error.decision.reasons };
        return WritError.is(error) ? error.code : error;
      });
    },
  });
  const answering = (response: object) => ({
    tools: { callTool: () => ({ decision: allow, outcome: 'done', ...response }) },
  });

  test("goes out under the run's own authority, with its effect id, as plain JSON", async () => {
    verifies('sdk.run_authority');
    const { serve, result, asked } = await platform(
      [file],
      answering({ structuredContent: fromJson(ValueSchema, { id: 7 }) }),
    );
    await serve();
    expect(await result('r1', 'file')).toEqual({ id: 7 });
    expect(asked).toMatchObject([
      {
        method: 'callTool',
        token: 'Bearer of r1',
        request: {
          tool: 'tracker/create',
          effectId: 'r1/tracker/create#1/1',
          arguments: { title: 'x', due: '1970-01-01T00:00:00.000Z' },
        },
      },
    ]);
  });

  const text = { type: 'text', text: 'made' };
  test.each([
    ['text', { content: [text] }, 'made'],
    ['content blocks', { content: [text, { type: 'image' }] }, [text, { type: 'image' }]],
    ['what was recorded of it before', { outcome: 'replayed', content: [text] }, 'made'],
    ['its own error', { content: [text], isError: true }, 'tool.failed'],
    ['an unknown outcome', { outcome: 'unknown' }, 'tool.outcome_unknown'],
    [
      'a denial',
      { outcome: 'denied', decision: { id: 'd', outcome: 'deny', reasons: [{ code: 'c', policy: 'p', text: 't' }] } },
      { denied: 'policy.denied', reasons: [{ code: 'c', policy: 'p', text: 't' }] },
    ],
  ])('that answers %s', async (_, response, expected) => {
    const { serve, result } = await platform([file], answering(response));
    await serve();
    expect(await result('r1', 'file')).toEqual(expected);
  });

  test('that needs an approval waits for it as the run does, also on another worker, and happens once', async () => {
    const prepared = await platform([file], {
      tools: {
        callTool: ({ approval }: CallToolRequest) =>
          approval
            ? { decision: allow, outcome: 'done', content: [text] }
            : { decision: { id: 'd', outcome: 'ask', approvalId: 'apr_1' }, outcome: 'ask' },
      },
    });
    const { fake, serve, asked } = prepared;
    const worker = await serve();
    const run = fake.start('r1', 'file');
    await fake.until(() => run.pending.size === 1);
    expect(run.log).toEqual(['APPROVAL tracker/create/1/approval#1 ask']);
    expect(fake.frames.at(-1)?.reports[0]?.idle).toBe(true);
    await worker[Symbol.asyncDispose]();
    await serve();
    await fake.until(() => run.attempt === 2);
    const answer = { approved: true, by: 'psn_1', atMs: 1n, approvalId: 'apr_1', reason: '' };
    fake.settle(run, {
      kind: Kind.APPROVAL,
      name: 'tracker/create/1/approval',
      occurrence: 1,
      timeMs: 1n,
      outcome: { case: 'answered', value: answer },
    });
    expect((await fake.ended(run)).case).toBe('completed');
    expect(asked.map(({ request }) => [request['effectId'], request['approval']])).toEqual([
      ['r1/tracker/create#1/1', ''],
      ['r1/tracker/create#1/1', 'apr_1'],
    ]);
  });

  test.each([
    [
      'a person refuses',
      {
        case: 'answered',
        value: { approved: false, by: 'psn_1', atMs: 1n, approvalId: 'apr_1', reason: 'not today' },
      } as const,
      { denied: 'approval.denied', reasons: [{ code: 'approval.denied', policy: '', text: 'not today' }] },
    ],
    ['nobody answers', { case: 'timedOut', value: true } as const, 'approval.expired'],
  ])('does not happen when %s', async (_, outcome, expected) => {
    const { fake, serve, result, asked } = await platform([file], {
      tools: { callTool: () => ({ decision: { id: 'd', outcome: 'ask', approvalId: 'apr_1' }, outcome: 'ask' }) },
    });
    fake.answer = (_run, command) =>
      command.what.case === 'ask'
        ? { kind: command.kind, name: command.name, occurrence: 1, timeMs: 1n, outcome }
        : undefined;
    await serve();
    expect(await result('r1', 'file')).toEqual(expected);
    expect(asked).toHaveLength(1);
  });

  test('is tried again under the same effect id when the service is away for a moment', async () => {
    verifies('sdk.effect_once');
    let calls = 0;
    const { serve, result, asked } = await platform([file], {
      tools: {
        callTool: () => {
          if (++calls < 3) throw new FakeRefusal('ledger.unavailable', 'later', true);
          return { decision: allow, outcome: 'done', content: [text] };
        },
      },
    });
    await serve();
    expect(await result('r1', 'file')).toBe('made');
    expect(new Set(asked.map(({ request }) => request['effectId'])).size).toBe(1);
  });
});

describe('a call of a tool of the worker', () => {
  const acts: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    effect: 'irreversible',
    input: z.object({ cents: z.number(), card: z.string() }),
    redact: ['card'],
    run: async (input, { attempt }) => (acts.push(input), { paid: input.cents, at: new Date(attempt) }),
  });
  const flow = workflow({
    name: 'flow',
    run: (ctx) =>
      ctx.call(pay, { cents: 5, card: '4242' }).catch((error: unknown) => (WritError.is(error) ? error.code : error)),
  });
  const begun = (outcome: string, more: object = {}) => ({
    tools: { beginCall: () => ({ decision: allow, outcome, ...more }), endCall: () => ({}) },
  });

  test('asks first, acts, and tells the outcome; what is secret stays here', async () => {
    acts.length = 0;
    const { serve, result, asked } = await platform([flow], begun('begun'));
    await serve([pay]);
    expect(await result('r1', 'flow')).toEqual({ paid: 5, at: new Date(1) });
    expect(acts).toEqual([{ cents: 5, card: '4242' }]);
    const [register, begin, end] = asked;
    expect(register).toMatchObject({ method: 'registerTools', token: 'Bearer of the agent' });
    expect((register?.request['tools'] as { inputSchema: object }[])[0]?.inputSchema).toMatchObject({
      type: 'object',
      required: ['cents', 'card'],
    });
    expect(begin).toMatchObject({
      method: 'beginCall',
      token: 'Bearer of r1',
      request: {
        arguments: { cents: 5, card: '[redacted]' },
        effectId: 'r1/pay#1/1',
      } satisfies Partial<BeginCallRequest>,
    });
    expect((end?.request as unknown as EndCallRequest).ok).toBe(true);
  });

  test('gives the recorded result of a call whose report was lost, and does not act again', async () => {
    acts.length = 0;
    const { serve, result } = await platform(
      [flow],
      begun('replayed', {
        recorded: fromJson(ValueSchema, { value: { paid: 5, at: { $date: '1970-01-01T00:00:00.001Z' } } }),
      }),
    );
    await serve([pay]);
    expect(await result('r1', 'flow')).toEqual({ paid: 5, at: new Date(1) });
    expect(acts).toEqual([]);
  });

  test('says so when nobody can tell whether an irreversible call happened', async () => {
    verifies('sdk.effect_once');
    acts.length = 0;
    const { serve, result } = await platform([flow], begun('unknown'));
    await serve([pay]);
    expect(await result('r1', 'flow')).toBe('tool.outcome_unknown');
    expect(acts).toEqual([]);
  });

  test('tells a failure, too, and does not try what cannot be taken back a second time', async () => {
    const broken = tool({
      name: 'broken',
      description: 'Fails',
      effect: 'irreversible',
      input: z.object({}),
      run: async () => {
        throw new Error('declined');
      },
    });
    const uses = workflow({
      name: 'uses',
      run: (ctx) => ctx.call(broken, {}).catch((error: unknown) => String(error)),
    });
    const { serve, result, asked } = await platform([uses], begun('begun'));
    await serve([broken]);
    expect(await result('r1', 'uses')).toContain('declined');
    expect(asked.filter(({ method }) => method === 'endCall')).toMatchObject([
      { request: { ok: false, error: 'error: declined' } },
    ]);
  });
});

test('memory is called through the run, with effect ids', async () => {
  const remembers = workflow({
    name: 'remembers',
    async run(ctx) {
      const { id } = await ctx.call(remember, { scope: 's', text: 'seen', attributes: { n: 1 } });
      return [id, await ctx.call(recall, { scope: 's', query: 'seen' })];
    },
  });
  const memory = {
    id: 'mem_1',
    scope: 's',
    text: 'seen',
    attributes: { n: 1 },
    agent: 'agt_1',
    run: 'r1',
    score: 0.5,
    createTime: { seconds: 1n, nanos: 0 },
  };
  const { serve, result, asked } = await platform([remembers], {
    memory: { remember: () => ({ id: 'mem_1' }), recall: () => ({ memories: [memory] }) },
  });
  await serve();
  const { createTime: _, ...rest } = memory;
  expect(await result('r1', 'remembers')).toEqual(['mem_1', [{ ...rest, createdAt: new Date(1_000) }]]);
  expect(asked).toMatchObject([
    { token: 'Bearer of r1', request: { effectId: 'r1/remember#1/1', attributes: { n: 1 } } },
    { token: 'Bearer of r1', request: { effectId: 'r1/recall#1/1', limit: 20 } },
  ]);
});

describe('a sandbox of a run', () => {
  async function* exec({ argv }: ExecRequest) {
    yield { frame: { case: 'stdout', value: new TextEncoder().encode(`ran ${argv.join(' ')} `) } };
    yield { frame: { case: 'stderr', value: new TextEncoder().encode('warn') } };
    yield { frame: { case: 'stdout', value: Uint8Array.of(0xc3) } };
    yield { frame: { case: 'stdout', value: Uint8Array.of(0xa9) } };
    yield { frame: { case: 'end', value: { exitCode: 3, reason: 'exit' } } };
  }
  const files = new Map<string, Uint8Array>();
  const sandbox = {
    createSandbox: () => ({ sandbox: { id: 'sbx_1' } }),
    exec: exec as unknown as Handler,
    writeFile: ({ path, data }: { path: string; data: Uint8Array }) => (files.set(path, data), {}),
    readFile: ({ path }: { path: string }) => ({ data: files.get(path) }),
    changeFiles: () => ({
      entries: [{ name: 'a.txt', kind: 'file', size: 2n, modifyTime: { seconds: 5n, nanos: 0 } }],
    }),
    stopSandbox: () => ({}),
  } as unknown as Record<string, Handler>;
  const uses = workflow({
    name: 'uses',
    async run(ctx) {
      await using box = await ctx.sandbox({ name: 'lint', from: 'art_1', keep: '5m' });
      const inStep = await ctx.step('in a step', async () => {
        const pieces: string[] = [];
        for await (const piece of box.exec(['a'])) pieces.push(`${piece.stream}:${piece.text}`);
        return pieces;
      });
      await box.fs.writeFile('/w/a.txt', 'hi');
      const [entry] = await box.fs.readdir('/w', { withFileTypes: true });
      const { size, mtime } = await box.fs.stat('/w/a.txt');
      return {
        inStep,
        recorded: await box.exec(['b']).result(),
        text: await box.fs.readFile('/w/a.txt', 'utf8'),
        kind: entry?.isFile(),
        size,
        mtime,
      };
    },
  });

  test('streams inside a step, is recorded outside, and is stopped', async () => {
    const { serve, result, asked, fake } = await platform([uses], { sandbox });
    await serve();
    expect(await result('r1', 'uses')).toEqual({
      inStep: ['stdout:ran a ', 'stderr:warn', 'stdout:é'],
      recorded: { exitCode: 3, reason: 'exit', stdout: 'ran b é', stderr: 'warn' },
      text: 'hi',
      kind: true,
      size: 2,
      mtime: new Date(5_000),
    });
    expect(fake.runs.get('r1')?.log).toEqual(
      ['sandbox lint', 'in a step', 'writeFile', 'list', 'stat', 'b', 'readFile', 'stop'].map((name, i) =>
        expect.stringContaining(i === 1 ? `STEP ${name}` : name),
      ),
    );
    expect(asked.every(({ token }) => token === 'Bearer of r1')).toBe(true);
    expect(asked[0]?.request).toMatchObject({
      name: 'lint',
      from: 'art_1',
      effectId: 'r1/sandbox lint#1/1',
      keep: { seconds: 300n },
    });
    expect(asked.at(-1)).toMatchObject({ method: 'stopSandbox', request: { id: 'sbx_1' } });
  });

  test('is stopped at the end of its run where the function forgot', async () => {
    const forgets = workflow({ name: 'forgets', run: async (ctx) => (await ctx.sandbox()).id });
    const { serve, result, asked } = await platform([forgets], { sandbox });
    await serve();
    expect(await result('r1', 'forgets')).toBe('sbx_1');
    expect(asked.map(({ method }) => method)).toEqual(['createSandbox', 'stopSandbox']);
  });

  test('is not made with less than was asked for', async () => {
    const wants = workflow({
      name: 'wants',
      run: (ctx) =>
        ctx.sandbox({ network: ['example.org'] }).then(
          () => 'made',
          (error: unknown) => (WritError.is(error) ? error.code : 'other'),
        ),
    });
    const { serve, result } = await platform([wants], { sandbox });
    await serve();
    expect(await result('r1', 'wants')).toBe('unsupported');
  });
});

test('a cancellation reaches the call of a tool and the process in a sandbox', async () => {
  verifies('sdk.cancel_reaches');
  const reached: string[] = [];
  const hang = (name: string, cancelled: AbortSignal) =>
    new Promise<never>((_, reject) => {
      fakeOf?.fake.changed();
      begun.add(name);
      cancelled.addEventListener(
        'abort',
        () => (reached.push(name), fakeOf?.fake.changed(), reject(new Error('cancelled'))),
      );
    });
  const begun = new Set<string>();
  const busy = workflow({
    name: 'busy',
    async run(ctx) {
      const box = await ctx.sandbox();
      await Promise.all([
        ctx.call('slow/tool', {}),
        ctx.step('in a step', ({ signal }) => box.exec(['sleep', '60'], { signal }).result()),
        box.exec(['sleep', '61']).result(),
      ]);
    },
  });
  const fakeOf = await platform([busy], {
    tools: { callTool: ((_: never, __: never, cancelled: AbortSignal) => hang('tool', cancelled)) as Handler },
    sandbox: {
      createSandbox: () => ({ sandbox: { id: 'sbx_1' } }),
      exec: async function* ({ argv }: ExecRequest, _: unknown, cancelled: AbortSignal) {
        yield await hang(argv.join(' '), cancelled);
      } as unknown as Handler,
      stopSandbox: () => ({}),
    },
  });
  const { fake, serve, asked } = fakeOf;
  await serve();
  const run = fake.start('r1', 'busy');
  await fake.until(() => begun.size === 3);
  fake.settle(run, {
    kind: Kind.CANCEL,
    name: 'cancel',
    occurrence: 1,
    timeMs: 1n,
    outcome: { case: 'cancel', value: 'enough' },
  });
  const end = await fake.ended(run);
  await fake.until(() => reached.length === 3);
  expect(reached.sort()).toEqual(['sleep 60', 'sleep 61', 'tool']);
  expect(end.case === 'cancelled' && end.value.stopped.toSorted()).toEqual([
    'call sandbox: sleep/1',
    'call slow/tool/1',
    'sandbox sbx_1',
    'step in a step/1',
  ]);
  expect(end.case === 'cancelled' && end.value.outcomeUnknown).toEqual([]);
  expect(asked.at(-1)?.method).toBe('stopSandbox');
});

test('errors of the wire carry their code, details and hint', async () => {
  const { writ } = await platform([], {
    runs: {
      cancelRun: () => {
        throw new FakeRefusal('run.not_found', "there is no run 'x'", false, { hint: 'look', n: '{"a":1}' });
      },
    },
  });
  await expect(writ.run('x').cancel()).rejects.toMatchObject({
    code: 'run.not_found',
    message: "there is no run 'x'",
    hint: 'look',
    details: { n: { a: 1 } },
    retryable: false,
    docs: 'https://writ.dev/errors/run.not_found',
  });
});
