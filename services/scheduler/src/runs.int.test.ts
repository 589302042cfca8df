import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { FakeToken } from '@writ/api/testing';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { RecordedError } from './testing/run-values.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import { constant } from './testing/test-worker.js';

let stack: SchedulerStack;
let runs: ReturnType<SchedulerStack['runs']>;
beforeAll(async () => {
  stack = await SchedulerStack.start();
  runs = stack.runs();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const missing = { code: 'auth.missing_capability' };
const wait = { seconds: 20n, nanos: 0 };
const start = async (workflow: string, input: unknown = null, more: object = {}) =>
  (await runs.startRun({ workflow, input: json(input), ...more })).id;
const result = async (id: string) => {
  const { state, result: value, error } = await runs.getRunResult({ id, wait });
  return error ? { state, code: error.code } : { state, value: read(value) };
};
const types = async (id: string) => (await stack.events(id)).map(({ type }) => type.replace(/^run\.(.*)\.v1$/, '$1'));

describe('a run', () => {
  test('of three steps gives its result, and is five events', async () => {
    stack.worker({
      sum: async (ctx, { start }: { start: number }) => {
        const a = await ctx.step('a', () => start + 1);
        const b = await ctx.step('b', () => a + 1);
        return ctx.step('c', () => b + 1);
      },
    });
    const id = await start('sum', { start: 1 });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 4 });
    expect(await types(id)).toEqual(['started', 'step_completed', 'step_completed', 'step_completed', 'succeeded']);
  });

  test('waits in the queue until a worker with its workflow comes, and only such a worker gets it', async () => {
    stack.worker({ other: async () => 'other' });
    stack.worker({ late: async () => 'wrong queue' }, { queue: 'another' });
    const id = await start('late');
    expect((await runs.getRun({ id })).run?.state).toBe(RunState.QUEUED);
    stack.worker({ late: async () => 'done' });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
  });

  test('starts no sooner than it was asked to', async () => {
    stack.worker({ timed: async () => 'done' });
    const seconds = BigInt(Math.ceil(Date.now() / 1000) + 1);
    const id = await start('timed', null, { startTime: { seconds, nanos: 0 } });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
    expect(Date.now()).toBeGreaterThanOrEqual(Number(seconds) * 1000);
  });

  test('fails with the error that its function threw', async () => {
    stack.worker({ broken: () => Promise.reject(new RecordedError({ code: 'shop.closed', message: 'come back' })) });
    const id = await start('broken');
    expect(await result(id)).toEqual({ state: RunState.FAILED, code: 'shop.closed' });
    expect((await runs.getRun({ id })).run?.error?.message).toBe('come back');
  });
});

describe('a run that has been started', () => {
  test('is there for whoever asks, also while its end is being committed', async () => {
    verifies('runs.read_your_start');
    stack.worker({ brief: async () => 'done' });
    const ids = Array.from({ length: 200 }, (_, at) => `brief-${at}`);
    const states = ids.map(async (id) => {
      await start('brief', null, { id });
      const seen: RunState[] = [];
      for (let ended = false; !ended;) {
        const state = (await runs.getRun({ id })).run?.state ?? RunState.UNSPECIFIED;
        ended = seen.push(state) > 0 && state === RunState.SUCCEEDED;
      }
      return seen.every((state, at) => at === 0 || state >= (seen[at - 1] as RunState));
    });
    expect(await Promise.all(states)).toEqual(ids.map(() => true));
  });
});

describe('starting', () => {
  test('again with the same id and input gives the same run, with another input a conflict', async () => {
    stack.worker({ once: async () => 'done' });
    const first = await runs.startRun({ workflow: 'once', id: 'mine', input: json({ a: 1, b: 2 }) });
    expect(first.attached).toBe(false);
    const again = await runs.startRun({ workflow: 'once', id: 'mine', input: json({ b: 2, a: 1 }) });
    expect(again).toMatchObject({ id: 'mine', attached: true });
    await expect(runs.startRun({ workflow: 'once', id: 'mine', input: json(3) })).rejects.toMatchObject({
      code: 'run.conflict',
    });
    const attached = await runs.startRun({ workflow: 'once', id: 'mine', input: json(3), onConflict: 'attach' });
    expect(attached).toMatchObject({ id: 'mine', attached: true });
    expect(await result('mine')).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
    expect((await types('mine')).filter((type) => type === 'started')).toHaveLength(1);
  });

  test('is refused where identity refuses the grant, and then there is no run', async () => {
    const grant = [{ actions: ['forbidden.act'] }];
    const person = stack.runs({ principal: 'psn_1', kind: 'person' });
    await expect(person.startRun({ workflow: 'x', id: 'refused', agent: 'agt_1', grant })).rejects.toMatchObject({
      code: 'identity.exceeds_parent',
    });
    await expect(runs.getRun({ id: 'refused' })).rejects.toMatchObject({ code: 'run.not_found' });
  });

  test('and everything else is held to the resources of the capability', async () => {
    verifies('scheduler.resources');
    const only = (action: string, resource: string) => [
      { type: 'writ' as const, actions: [action], resources: [resource] },
    ];
    const { id } = await runs.startRun({ workflow: 'w' });
    const limited = (action: string, resource: string) => stack.runs({ grant: only(action, resource) });
    await expect(limited('run.start', 'review*').startRun({ workflow: 'w' })).rejects.toMatchObject(missing);
    expect(await limited('run.start', 'w').startRun({ workflow: 'w' })).toMatchObject({ attached: false });
    await expect(limited('run.read', 'run_1').getRun({ id })).rejects.toMatchObject(missing);
    expect((await limited('run.read', 'run_1').listRuns({})).runs).toEqual([]);
    expect((await limited('run.read', id).getRun({ id })).run?.id).toBe(id);
    await expect(limited('run.send', 'run_1').sendMessage({ id, message: 'm' })).rejects.toMatchObject(missing);
    await expect(limited('run.cancel', 'run_1').cancelRun({ id })).rejects.toMatchObject(missing);
    await expect(limited('run.replay', 'run_1').replayRun({ id })).rejects.toMatchObject(missing);
    const elsewhere = stack.worker(
      { w: async () => null },
      { token: { grant: only('worker.connect', 'queue/other') } },
    );
    await expect(elsewhere.closed).rejects.toMatchObject(missing);
  });

  test('takes plain JSON', async () => {
    stack.worker({ echo: async (_ctx, input) => input });
    const jsonInput = { kind: { case: 'stringValue' as const, value: 'plain' } };
    const { id } = await runs.startRun({ workflow: 'echo', jsonInput });
    const { jsonResult } = await runs.getRunResult({ id, wait });
    expect(jsonResult?.kind).toEqual(jsonInput.kind);
  });
});

describe('a step', () => {
  test('that fails is tried again after its delay, under a new attempt number', async () => {
    const attempts: { attempt: number; at: number }[] = [];
    stack.worker({
      flaky: (ctx) =>
        ctx.step(
          'flaky',
          (attempt) => {
            attempts.push({ attempt, at: Date.now() });
            if (attempt < 3) throw new Error(`no ${attempt}`);
            return attempt;
          },
          constant(5, 150),
        ),
    });
    expect(await result(await start('flaky'))).toEqual({ state: RunState.SUCCEEDED, value: 3 });
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect((attempts[1]?.at ?? 0) - (attempts[0]?.at ?? 0)).toBeGreaterThanOrEqual(149);
  });

  test('fails for good when no attempt is left, or when it says that trying again is no use', async () => {
    const fatal = Object.assign(new Error('never'), { name: 'Fatal' });
    let tries = 0;
    stack.worker({
      hopeless: (ctx) => ctx.step('hopeless', () => Promise.reject(new Error(`no ${++tries}`)), constant(2, 1)),
      fatal: (ctx) => ctx.step('fatal', () => Promise.reject(fatal), constant(9, 1)),
    });
    expect(await result(await start('hopeless'))).toMatchObject({ state: RunState.FAILED });
    expect(tries).toBe(2);
    const id = await start('fatal');
    expect(await result(id)).toMatchObject({ state: RunState.FAILED });
    expect(await types(id)).toEqual(['started', 'step_failed', 'failed']);
  });

  test('may run beside others, and the order in which they are recorded decides a race', async () => {
    stack.worker({
      race: async (ctx) => {
        let open!: () => void;
        const opened = new Promise<void>((resolve) => (open = resolve));
        const slow = ctx.step('slow', async () => {
          await opened;
          return 'slow';
        });
        const fast = ctx.step('fast', () => 'fast');
        const first = await Promise.race([slow, fast]);
        open();
        return [first, await slow];
      },
    });
    expect(await result(await start('race'))).toEqual({ state: RunState.SUCCEEDED, value: ['fast', 'slow'] });
  });

  test('with a value that is too large for the ledger is kept by reference', async () => {
    const large = 'x'.repeat(300_000);
    stack.worker({ large: async (ctx) => (await ctx.step('large', () => large)).length, whole: async () => large });
    const id = await start('large');
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 300_000 });
    const [, recorded] = await stack.events(id);
    expect(recorded?.data).toMatchObject({ blob: { sizeBytes: 300_002 } });
    expect(await result(await start('whole'))).toEqual({ state: RunState.SUCCEEDED, value: large });
  });
});

describe('a result of any size', () => {
  test('is read by who may read the run, in pieces, and by nobody else', async () => {
    verifies('scheduler.large_result');
    const large = 'ä'.repeat(1_500_000); // 3 MB
    stack.worker({ huge: async () => large, none: async () => undefined });
    const id = await start('huge');
    const answer = await stack.runs().getRunResult({ id, wait: { seconds: 60n, nanos: 0 } });
    expect(answer.result).toMatchObject({ blob: expect.stringMatching(/^sha256:/) });
    const reading = async (run: string, token: FakeToken = {}) => {
      const chunks: Uint8Array[] = [];
      for await (const { chunk } of stack.runs(token).readRunResult({ id: run })) chunks.push(chunk);
      return chunks;
    };
    const chunks = await reading(id, { grant: ['run.read'] });
    expect(chunks.length).toBeGreaterThan(5);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toBe(large);
    await expect(reading(id, { grant: ['run.start'] })).rejects.toMatchObject({
      code: 'auth.missing_capability',
    });
    await expect(reading(id, { tenant: 'tnt_other' })).rejects.toMatchObject({ code: 'run.not_found' });
    const none = await start('none');
    await result(none);
    expect(await reading(none)).toEqual([]);
  });
});

describe('waiting', () => {
  test('a sleep ends when its time is over, and not before', async () => {
    stack.worker({
      nap: async (ctx) => {
        await ctx.sleep(300);
        return 'awake';
      },
    });
    const before = Date.now();
    const id = await start('nap');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn.startsWith('timer until 20'));
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'awake' });
    expect(Date.now() - before).toBeGreaterThanOrEqual(300);
    expect(await types(id)).toEqual(['started', 'waiting', 'timer_fired', 'succeeded']);
  });

  test('messages are taken in the order in which they came, also those that came before anybody waited', async () => {
    stack.worker({
      inbox: async (ctx) => {
        const first = await ctx.wait('m');
        const second = await ctx.wait('m');
        const other = await ctx.wait('other');
        return [first, second, other, await ctx.wait('never', 100)];
      },
    });
    const id = await start('inbox');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message m');
    await runs.sendMessage({ id, message: 'other', data: json('o') });
    await runs.sendMessage({ id, message: 'm', data: json(1), idempotencyKey: 'k' });
    await runs.sendMessage({ id, message: 'm', data: json(1), idempotencyKey: 'k' });
    await runs.sendMessage({ id, message: 'm', data: json(2) });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [1, 2, 'o', 'timeout'] });
    await expect(runs.sendMessage({ id, message: 'm', data: json(3) })).rejects.toMatchObject({ code: 'run.ended' });
  });

  test('a question is put to policy, and its answer comes back', async () => {
    stack.worker({ ask: (ctx) => ctx.ask('May I?') });
    const id = await start('ask');
    const approval = await eventually(
      async () => /^approval (apr_\S+)/.exec((await runs.getRun({ id })).run?.waitingOn ?? '')?.[1],
    );
    await stack.decide(approval, { verdict: 'approve', by: 'psn_1', value: { cents: 5 } });
    const value = { approved: true, by: 'psn_1', value: { cents: 5 } };
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value });
  });
});

describe('a child', () => {
  test('is started with a narrower grant, and its result comes to its parent', async () => {
    stack.worker({
      child: async (ctx, n: number) => ctx.step('square', () => n * n),
      parent: async (ctx) => {
        const ids = await Promise.all([2, 3, 4].map((n) => ctx.start('child', n, { actions: ['memory.read'] })));
        return Promise.all(ids.map((id) => ctx.result(id)));
      },
    });
    const id = await start('parent');
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [4, 9, 16] });
    const children = (await runs.listRuns({ filter: `parent = "${id}"` })).runs;
    expect(children.map(({ state }) => state)).toEqual([RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.SUCCEEDED]);
    const [started] = await stack.events(children[0]?.id ?? '');
    expect(started?.data).toMatchObject({ parent: id, depth: 1, grant: [{ actions: ['memory.read'] }] });
  });

  test('that asks for more than its parent may do is refused, and the parent hears why', async () => {
    stack.worker({
      greedy: async (ctx) => {
        try {
          return await ctx.start('child', null, { actions: ['forbidden.act'] });
        } catch (error) {
          return (error as RecordedError).failure.code;
        }
      },
    });
    expect(await result(await start('greedy'))).toEqual({
      state: RunState.SUCCEEDED,
      value: 'identity.exceeds_parent',
    });
  });

  test('that fails throws in its parent', async () => {
    stack.worker({
      fails: () => Promise.reject(new RecordedError({ code: 'x.y', message: 'no' })),
      parent: async (ctx) => ctx.result(await ctx.start('fails', null)),
    });
    expect(await result(await start('parent'))).toEqual({ state: RunState.FAILED, code: 'x.y' });
  });

  test('cannot be one of its own ancestors, and a run cannot wait for what it did not start', async () => {
    stack.worker({
      cyclic: (ctx) => ctx.start('cyclic', null, { id: 'cycle' }).catch((error: RecordedError) => error.failure.code),
      stranger: (ctx) => ctx.result('nobody'),
    });
    expect(await result(await start('cyclic', null, { id: 'cycle' }))).toEqual({
      state: RunState.SUCCEEDED,
      value: 'run.cycle',
    });
    const id = await start('stranger');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn.includes('no child that it started'));
  });

  test('that was started to end with its parent is cancelled when the parent ends', async () => {
    stack.worker({
      endless: (ctx) => ctx.wait('never'),
      parent: (ctx) => ctx.start('endless', null, { id: 'bound', cancelWithParent: true }),
    });
    expect(await result(await start('parent'))).toEqual({ state: RunState.SUCCEEDED, value: 'bound' });
    expect(await result('bound')).toEqual({ state: RunState.CANCELLED, code: 'run.cancelled' });
  });
});

describe('cancelling', () => {
  test('reaches the function and its children, and gives a receipt', async () => {
    let aborted = false;
    stack.worker({
      endless: (ctx) => ctx.wait('never'),
      parent: async (ctx) => {
        await ctx.start('endless', null, { id: 'cancelled-child' });
        ctx.signal.addEventListener('abort', () => (aborted = true));
        await ctx.wait('never');
      },
    });
    const id = await start('parent');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message never');
    const receipt = await runs.cancelRun({ id, reason: 'enough' });
    expect(aborted).toBe(true);
    const below = ['cancelled-child', 'cancelled-child: the function'];
    expect([...receipt.stopped].sort()).toEqual([...below, 'the function']);
    expect(receipt.outcomeUnknown).toEqual([]);
    expect(await result(id)).toEqual({ state: RunState.CANCELLED, code: 'run.cancelled' });
    expect(await result('cancelled-child')).toEqual({ state: RunState.CANCELLED, code: 'run.cancelled' });
    expect(await runs.cancelRun({ id })).toMatchObject({ stopped: receipt.stopped });
  });

  test('lets the function clean up', async () => {
    stack.worker({
      careful: async (ctx) => {
        try {
          await ctx.wait('never');
        } finally {
          await ctx.step('clean up', () => 'clean');
        }
      },
    });
    const id = await start('careful');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message never');
    await runs.cancelRun({ id });
    expect(await types(id)).toEqual(['started', 'waiting', 'cancel_requested', 'step_completed', 'cancelled']);
  });

  test('of a run that no worker has had ends it at once', async () => {
    const id = await start('nobody');
    expect(await runs.cancelRun({ id })).toMatchObject({ stopped: [], outcomeUnknown: [] });
    expect(await result(id)).toMatchObject({ state: RunState.CANCELLED });
  });

  test('of a function that does not stop ends the run after its grace, and says that the outcome is unknown', async () => {
    stack.worker({ stubborn: (ctx) => ctx.step('stubborn', () => new Promise(() => undefined)) });
    const id = await start('stubborn');
    await eventually(async () => (await runs.getRun({ id })).run?.state === RunState.RUNNING);
    expect((await runs.cancelRun({ id })).outcomeUnknown).toEqual([`what run ${id} was doing`]);
  });
});

describe('listing', () => {
  test('gives pages, newest first, and filters', async () => {
    const token = { tenant: 'tnt_list' };
    const mine = stack.runs(token);
    const ids: string[] = [];
    let after = '';
    for (let i = 0; i < 5; i++) {
      const started = await mine.startRun({ workflow: i % 2 ? 'odd' : 'even', input: json(i) });
      ids.push(started.id);
      after = started.position;
      expect((await mine.getRun({ id: started.id, after })).run?.workflow).toBe(i % 2 ? 'odd' : 'even');
    }
    const first = await mine.listRuns({ pageSize: 3, after });
    const rest = await mine.listRuns({ pageSize: 3, pageToken: first.nextPageToken });
    expect(rest.nextPageToken).toBe('');
    const listed = [...first.runs, ...rest.runs].map(({ id }) => id);
    expect([...listed].sort()).toEqual([...ids].sort());
    const odd = await mine.listRuns({ filter: 'workflow = "odd" AND state = "queued"' });
    expect(odd.runs).toHaveLength(2);
    await expect(mine.listRuns({ filter: 'colour = "red"' })).rejects.toMatchObject({ code: 'run.bad_filter' });
  });
});
