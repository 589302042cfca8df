import { afterEach, describe, expect, test } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { EventService, EventSchema } from '@writ/proto/event/v1/event';
import { IdentityService, type RevokeRequest } from '@writ/proto/identity/v1/identity';
import {
  ApprovalService,
  PolicyService,
  type CheckDecisionRequest,
  type DecideApprovalRequest,
} from '@writ/proto/policy/v1/policy';
import {
  RunService,
  RunState,
  type SendMessageRequest,
  type SendMessagesRequest,
  type StartRunRequest,
  type StartRunsRequest,
} from '@writ/proto/run/v1/run';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import {
  ScheduleService,
  type CreateScheduleRequest,
  type UpdateScheduleRequest,
} from '@writ/proto/schedule/v1/schedule';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { workflow } from '../define/workflow.js';
import type { WritError } from '../errors/errors.js';
import { ends } from '../worker/fake/fake-ends.js';
import { FakeRefusal, grpcFake, type FakeService } from '../worker/fake/grpc-fake.js';
import { connect } from './connect.js';
import { Session } from './session.js';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A platform that can move: its door stays, the address of its gRPC changes. */
async function platform(...services: FakeService[]) {
  const door = { address: '', asked: 0 };
  const start = async (...these: FakeService[]) => {
    const server = await grpcFake(...these);
    open.push(() => server.stop());
    door.address = server.address;
    return server;
  };
  const server = await start(...services);
  const fetch = (async () => {
    door.asked++;
    return Response.json({ issuer: 'http://i.test', audience: 'a', grpc: door.address });
  }) as unknown as typeof globalThis.fetch;
  let tokens = 0;
  const writ = connect({ url: 'http://writ.test', fetch, token: async () => `t${++tokens}` });
  open.push(() => writ[Symbol.asyncDispose]());
  return { writ, server, start, door };
}

const greet = workflow({
  name: 'greet',
  version: '3',
  input: z.object({ name: z.string() }),
  messages: { stop: z.date() },
  run: async (_, { name }) => name,
});

describe('a client', () => {
  test('says a schedule each time it begins: one that is there becomes like it', async () => {
    verifies('schedule.lifecycle');
    const asked: (CreateScheduleRequest | UpdateScheduleRequest)[] = [];
    const next = new Date('2030-01-01T08:00:00Z');
    const { writ } = await platform([
      ScheduleService,
      {
        createSchedule: (request: CreateScheduleRequest) => {
          asked.push(request);
          throw new FakeRefusal('schedule.exists', 'there is one', false);
        },
        updateSchedule: (request: UpdateScheduleRequest) => {
          asked.push(request);
          return { nextTimes: [timestampFromDate(next)] };
        },
      },
    ]);
    const times = {
      id: 'daily',
      cron: '0 9 * * *',
      timeZone: 'Europe/Berlin',
      overlap: 'buffer',
      catchUp: '10m',
      key: 'team-a',
      priority: -3,
    } as const;
    expect(await writ.schedule(greet, { name: 'ada' }, times)).toEqual({ id: 'daily', next: [next] });
    const [created, updated] = asked.map(({ id, definition }) => ({ id, definition }));
    expect(created).toMatchObject({
      id: 'daily',
      definition: {
        workflow: 'greet', version: '3', pinned: false, cron: '0 9 * * *', overlap: 'buffer', catchUp: { seconds: 600n }, key: 'team-a', priority: -3,
      }, // prettier-ignore
    });
    expect(updated).toEqual(created);
    await expect(writ.schedule(greet, { name: 1 as never }, times)).rejects.toMatchObject({ code: 'input.invalid' });
  });

  test('starts a run with an id of its own, so that a repeat is harmless, and waits for the result', async () => {
    const requests: StartRunRequest[] = [];
    const { writ } = await platform([
      RunService,
      {
        startRuns: ({ items }: StartRunsRequest) => {
          requests.push(...items);
          if (requests.length === 1) throw new FakeRefusal('ledger.unavailable', 'later', true);
          return { items: items.map(({ id }) => ({ outcome: { case: 'run', value: { id } } })) };
        },
        awaitRuns: ends(({ id }) => ({ id, state: RunState.SUCCEEDED, result: { data: encodeBytes(new Date(5)) } })),
      },
    ]);
    const place = { queue: 'greetings', key: 'ada', priority: -3 };
    const rights = { grant: [{ actions: ['run.read'] }], onConflict: 'attach' } as const;
    const run = await writ.start(greet, { name: 'ada' }, { ...rights, ...place });
    expect(await run.result()).toEqual(new Date(5));
    expect(new Set(requests.map(({ id }) => id))).toEqual(new Set([run.id]));
    expect(run.id).toMatch(/^run_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}-p[0-9a-f]{2}$/);
    expect(requests[1]).toMatchObject({
      workflow: 'greet',
      version: '3',
      onConflict: 'attach',
      grant: [{ actions: ['run.read'], resources: [] }],
      ...place,
    });
    expect(decodeBytes(requests[1]!.input!.data)).toEqual({ name: 'ada' });
  });

  test.each([
    [
      {
        state: RunState.FAILED,
        error: { code: 'mine.broken', message: 'broken', details: { at: { $date: '1970-01-01T00:00:00.000Z' } } },
      },
      { code: 'mine.broken', message: 'broken', details: { at: new Date(0) } },
    ],
    [
      {
        state: RunState.FAILED,
        error: {
          code: 'policy.denied',
          message: 'no',
          details: { decision: { outcome: 'deny', id: 'dec_1', reasons: [] } },
        },
      },
      { name: 'DeniedError', decision: { id: 'dec_1' } },
    ],
    [
      { state: RunState.CANCELLED, error: { code: 'run.cancelled', message: 'enough' } },
      { name: 'CancelledError', message: 'enough' },
    ],
    [{ problem: { code: 'run.not_found', detail: 'there is no run r' } }, { code: 'run.not_found' }],
    [undefined, { name: 'TimeoutError', code: 'request.deadline_exceeded' }],
  ])('gives the end %j as an error of its kind', async (end, error) => {
    const { writ } = await platform([RunService, { awaitRuns: ends(({ id }) => end && { id, ...end }) }]);
    await expect(writ.run('r').result({ timeout: end ? '10s' : 20 })).rejects.toMatchObject(error);
  });

  test('checks a message before it sends it', async () => {
    const sent: SendMessageRequest[] = [];
    const { writ } = await platform([
      RunService,
      {
        sendMessages: ({ items }: SendMessagesRequest) => {
          sent.push(...items);
          return { items: items.map(() => ({ outcome: { case: 'sent', value: {} } })) };
        },
      },
    ]);
    const run = writ.run('r', greet);
    await expect(run.send('stop', 'now' as never)).rejects.toMatchObject({ code: 'input.invalid' });
    await run.send('stop', new Date(7), { idempotencyKey: 'k' });
    expect(sent).toMatchObject([{ id: 'r', message: 'stop', idempotencyKey: 'k' }]);
    expect(decodeBytes(sent[0]!.data!.data)).toEqual(new Date(7));
  });

  test('finds the platform again that came back elsewhere', async () => {
    const answers: FakeService = [RunService, { cancelRun: () => ({ stopped: ['step a/1'] }) }];
    const { writ, server, start, door } = await platform(answers);
    expect(await writ.run('r').cancel()).toEqual({ stopped: ['step a/1'], undone: [], outcomeUnknown: [] });
    server.stop();
    await start(answers);
    expect(await writ.run('r').cancel()).toEqual({ stopped: ['step a/1'], undone: [], outcomeUnknown: [] });
    expect(door.asked).toBeGreaterThanOrEqual(2);
  });

  test('stops waiting when its signal says so', async () => {
    const { writ } = await platform([RunService, { awaitRuns: ends(() => undefined) }]);
    await expect(writ.run('r').result({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 23,
    });
  });

  test('does not repeat what was refused for good', async () => {
    let asked = 0;
    const { writ } = await platform([
      RunService,
      {
        replayRun: () => {
          asked++;
          throw new FakeRefusal('run.not_found', 'there is none');
        },
      },
    ]);
    await expect(writ.run('r').replay()).rejects.toMatchObject({ code: 'run.not_found', retryable: false });
    expect(asked).toBe(1);
  });
});

describe('events', () => {
  const event = (n: number, type = 'run.step_completed.v1') =>
    create(EventSchema, {
      id: `e${n}`,
      type,
      subject: 'r',
      actor: { principal: 'agt_1' },
      data: { kind: { case: 'numberValue', value: n } },
    });

  test('go on behind the last one when the connection breaks: none is lost, none comes twice', async () => {
    const asked: { after: string; run: string; types: string[] }[] = [];
    async function* watchEvents(request: { after: string; run: string; types: string[] }) {
      asked.push(request);
      const from = request.after === 'start' ? 0 : Number(request.after);
      for (let n = from + 1; n <= from + 2; n++) yield { event: event(n), cursor: `${n}` };
      throw new FakeRefusal('service.draining', 'elsewhere', true);
    }
    const { writ } = await platform([EventService, { watchEvents: watchEvents as never }]);
    const seen: string[] = [];
    for await (const each of writ.events({ type: ['run.*'], after: 'start' })) if (seen.push(each.id) === 5) break;
    expect(seen).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
    expect(asked.map(({ after }) => after)).toEqual(['start', '2', '4']);
    expect(asked[0]?.types).toEqual(['run.*']);
  });

  test('of a run begin at its start and end with it', async () => {
    async function* watchEvents({ run }: { run: string }) {
      yield { event: event(1), cursor: '1' };
      yield { event: { ...event(2, 'run.succeeded.v1'), subject: 'a child' }, cursor: '2' };
      yield { event: event(3, 'run.succeeded.v1'), cursor: '3' };
      yield { event: event(4, `never of ${run}`), cursor: '4' };
    }
    const { writ } = await platform([EventService, { watchEvents: watchEvents as never }]);
    const seen: unknown[] = [];
    for await (const { id, actor, data } of writ.run('r')) seen.push([id, actor, data]);
    expect(seen).toEqual([1, 2, 3].map((n) => [`e${n}`, 'agt_1', n]));
  });
});

test('people decide on what they saw, and authority is asked for and taken away', async () => {
  const decided: DecideApprovalRequest[] = [];
  const checked: CheckDecisionRequest[] = [];
  const { writ } = await platform(
    [
      ApprovalService,
      {
        getApproval: () => ({ approval: { argumentsDigest: 'sha256:1' } }),
        decideApproval: (request: DecideApprovalRequest) => (decided.push(request), { approval: { state: 'denied' } }),
      },
    ],
    [
      PolicyService,
      {
        checkDecision: (request: CheckDecisionRequest) => (
          checked.push(request),
          { outcome: 'ask', reasons: [{ code: 'c', policy: 'p', text: 't' }] }
        ),
      },
    ],
    [
      IdentityService,
      { revoke: ({ subject }: RevokeRequest) => ({ grants: 2, runs: [`run of ${subject}`], eventId: 'evt_1' }) },
    ],
  );
  expect(await writ.decide('apr_1', 'deny', { reason: 'no', input: { a: 1 } })).toMatchObject({
    outcome: 'deny',
    approvalId: 'apr_1',
    reasons: [{ text: 'no' }],
  });
  expect(decided).toMatchObject([{ id: 'apr_1', verdict: 'deny', argumentsDigest: 'sha256:1' }]);
  expect(await writ.authorize({ agent: 'agt_1', tool: 'files/write', input: { path: '/x' } })).toMatchObject({
    outcome: 'ask',
    reasons: [{ policy: 'p' }],
  });
  expect(checked).toMatchObject([
    {
      principal: 'agt_1',
      action: 'tool.call',
      resourceType: 'Tool',
      resource: 'files/write',
      arguments: { path: '/x' },
    },
  ]);
  expect(await writ.revoke('agt_1', { reason: 'leaked' })).toEqual({
    grants: 2,
    runsStopped: ['run of agt_1'],
    eventId: 'evt_1',
  });
});

test('an address that is none is said at the first use', async () => {
  const writ = connect({ url: 'nowhere', token: 't' });
  await expect(writ.run('r').cancel()).rejects.toMatchObject({ code: 'input.invalid' });
});

describe('a platform that is away', () => {
  /** A session whose pauses take no time, and how long they would have been. */
  const sessionTo = async (service: FakeService) => {
    const server = await grpcFake(service);
    open.push(() => server.stop());
    const paused = { ms: 0 };
    const session = new Session({
      url: 'http://writ.test',
      token: async () => 'a token',
      key: undefined,
      project: undefined,
      fetch: (async () =>
        Response.json({ issuer: 'http://i.test', audience: 'a', grpc: server.address })) as unknown as typeof fetch,
      pause: async (ms) => void (paused.ms += ms),
    });
    open.push(() => session.close());
    return { session, paused };
  };

  const away = async (code: string, run?: string) => {
    let asked = 0;
    const { session, paused } = await sessionTo([
      RunService,
      {
        sendMessage: () => {
          if (++asked <= 20) throw new FakeRefusal(code, 'not now', true);
          return {};
        },
      },
    ]);
    const sent = session.call(RunService.method.sendMessage, { id: 'run_1', message: 'go' }, { run });
    const how = await sent.then(
      () => 'sent',
      (error: unknown) => (error as WritError).code,
    );
    return { how, asked, pausedMs: paused.ms };
  };

  test.each(['service.unavailable', 'gateway.no_service', 'auth.revocation_unknown'])(
    'is waited for by what a run does (%s), and after a few tries not by anybody else',
    async (code) => {
      verifies('sdk.outage_is_no_attempt');
      const { how, asked, pausedMs } = await away(code, 'run_2');
      expect({ how, asked }).toEqual({ how: 'sent', asked: 21 });
      expect(pausedMs).toBeGreaterThan(30_000);
      expect(await away(code)).toMatchObject({ how: code, asked: 5 });
    },
  );

  /** What an exec of a run gets whose service refuses ten times, before or after its first frame. */
  const exec = async (refusal: FakeRefusal, framesBefore = 0) => {
    let asked = 0;
    const { session } = await sessionTo([
      SandboxService,
      {
        async *exec() {
          const refuses = ++asked <= 10;
          for (let i = 0; i < (refuses ? framesBefore : 1); i++)
            yield { frame: { case: 'stdout', value: new Uint8Array([asked]) } };
          if (refuses) throw refusal;
        },
      },
    ]);
    const seen: unknown[] = [];
    try {
      for await (const { frame } of session.stream(SandboxService.method.exec, { id: 'sbx_1' }, { run: 'run_2' }))
        seen.push(frame.case);
    } catch (error) {
      seen.push((error as WritError).code);
    }
    return { seen, asked };
  };
  const unavailable = (details: Record<string, string> = {}) =>
    new FakeRefusal('service.unavailable', 'not now', true, details);

  test.each([unavailable({ sent: 'false' }), new FakeRefusal('gateway.no_service', 'not now', true)])(
    'is waited for by a stream of a run that the door has turned away (%#)',
    async (refusal) => {
      verifies('sdk.outage_is_no_attempt');
      expect(await exec(refusal)).toEqual({ seen: ['stdout'], asked: 11 });
    },
  );

  test('does not make a stream begin again that a service may have seen', async () => {
    expect(await exec(unavailable())).toEqual({ seen: ['service.unavailable'], asked: 1 });
    expect(await exec(unavailable({ sent: 'false' }), 1)).toEqual({
      seen: ['stdout', 'service.unavailable'],
      asked: 1,
    });
  });

  test('is not what refuses a run something for now', async () => {
    expect(await away('sandbox.host_full', 'run_2')).toMatchObject({ how: 'sandbox.host_full', asked: 5 });
  });
});
