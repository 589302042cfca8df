import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Evict_Reason, Kind } from '@writ/proto/worker/v1/worker';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import type { TestContext } from './testing/test-context.js';
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

const wait = { seconds: 20n, nanos: 0 };
const start = async (workflow: string, input: unknown = null) =>
  (await runs.startRun({ workflow, input: json(input) })).id;
const result = async (id: string) => {
  const { state, result: value } = await runs.getRunResult({ id, wait });
  return { state, value: read(value) };
};

/** Ten steps that each add their number; `after` hears of each that was performed. */
function tenSteps(after: (step: number) => void) {
  return async (ctx: TestContext) => {
    let sum = 0;
    for (let i = 1; i <= 10; i++) {
      sum += await ctx.step(`step ${i}`, () => {
        after(i);
        return i;
      });
    }
    return sum;
  };
}

describe('a worker that dies', () => {
  test('at any step boundary costs no finished step, and the result is right', async () => {
    verifies('scheduler.worker_killed');
    for (let boundary = 0; boundary <= 10; boundary++) {
      const performed: number[] = [];
      const first = stack.worker({ ten: tenSteps((step) => performed.push(step)) });
      await first.welcomed;
      // Killed when the boundary's step is in the ledger: before anything, between two steps, or before the end is told.
      first.onEntry = (seen) => seen === boundary && boundary > 0 && first.kill();
      first.onActivate = () => boundary === 0 && first.kill();
      const id = await start('ten');
      await first.closed.catch(() => undefined);
      stack.worker({ ten: tenSteps((step) => performed.push(step)) });
      expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 55 });
      const recorded = (await stack.events(id)).filter(({ type }) => type === 'run.step_completed.v1');
      expect(recorded.map(({ data }) => (data as { name: string }).name)).toEqual(
        Array.from({ length: 10 }, (_, i) => `step ${i + 1}`),
      );
      expect(performed).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
      await stack.stopWorkers();
    }
  });

  test('in the middle of a step has the step done by another', async () => {
    const first = stack.worker({ hang: (ctx) => ctx.step('hang', () => new Promise(() => undefined)) });
    const id = await start('hang');
    await eventually(() => first.activated.length === 1);
    stack.worker({ hang: (ctx) => ctx.step('hang', () => 'done') });
    first.kill();
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
  });

  test('leaves waiting runs alone until something comes true, and then another goes on', async () => {
    const code = async (ctx: TestContext) => [await ctx.step('before', () => 1), await ctx.wait('go')];
    const first = stack.worker({ parked: code });
    const id = await start('parked');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message go');
    first.kill();
    const second = stack.worker({ parked: code, other: async () => null });
    await result(await start('other'));
    expect(second.activated.map(({ workflow }) => workflow)).toEqual(['other']);
    await runs.sendMessage({ id, message: 'go', data: json('gone') });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [1, 'gone'] });
    const [entry] = second.activated[1]?.journal ?? [];
    expect(entry).toMatchObject({ kind: Kind.STEP, name: 'before', occurrence: 1 });
  });

  test('while a step waits for its next attempt has the count of failures kept', async () => {
    const attempts: number[] = [];
    const flaky = (ctx: TestContext) =>
      ctx.step(
        'flaky',
        (attempt) => {
          attempts.push(attempt);
          if (attempt < 3) throw new Error('not yet');
          return attempt;
        },
        constant(3, 400),
      );
    const first = stack.worker({ flaky });
    const id = await start('flaky');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn.startsWith('another try of step flaky/1'));
    first.kill();
    stack.worker({ flaky });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 3 });
    expect(attempts).toEqual([1, 2, 3]);
  });
});

describe('code that does not take the way of the record', () => {
  test('pauses the run with the difference; with the right code a person lets it go on', async () => {
    verifies('scheduler.divergence_pauses');
    const first = stack.worker({
      changed: async (ctx) => [await ctx.step('old name', () => 1), await ctx.wait('go')],
    });
    const id = await start('changed');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message go');
    first.kill();
    let performed = 0;
    const second = stack.worker({
      changed: async (ctx) => [await ctx.step('new name', () => ++performed), await ctx.wait('go')],
    });
    await runs.sendMessage({ id, message: 'go', data: json('gone') });
    await eventually(async () =>
      (await runs.getRun({ id })).run?.waitingOn.startsWith('person: diverged at step old name/1'),
    );
    expect(performed).toBe(0);
    const paused = (await stack.events(id)).find(({ type }) => type === 'run.paused.v1');
    expect(paused?.data).toMatchObject({
      reason: 'diverged',
      difference: {
        position: 0,
        expected: { kind: 'step', name: 'old name', occurrence: 1 },
        actual: { kind: 'step', name: 'new name', occurrence: 1 },
      },
    });
    expect(second.evicted.at(-1)?.reason).toBe(Evict_Reason.PAUSED);
    second.kill();
    stack.worker({ changed: async (ctx) => [await ctx.step('old name', () => 2), await ctx.wait('go')] });
    await runs.resumeRun({ id });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [1, 'gone'] });
  });

  test('is found too where the scheduler alone can see it: another kind under a known name', async () => {
    const worker = stack.worker({ liar: (ctx) => ctx.wait('x') });
    const id = await start('liar');
    const [activated] = await eventually(() => worker.activated.length === 1 && worker.activated);
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message x');
    worker.report({
      attempt: activated?.attempt ?? '',
      commands: [{ kind: Kind.STEP, name: 'x', occurrence: 1, what: { case: 'completed', value: {} } }],
    });
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn.includes('the record has message x/1'));
  });

  test('strict replay says so, and says so too when nothing has changed', async () => {
    verifies('scheduler.strict_replay');
    const performed: string[] = [];
    const code = async (ctx: TestContext) => {
      const a = await ctx.step('a', () => (performed.push('a'), 1));
      await ctx.sleep(10);
      return [a, await ctx.wait('m')];
    };
    const worker = stack.worker({ replayed: code });
    const id = await start('replayed');
    await runs.sendMessage({ id, message: 'm', data: json('hello') });
    await result(id);
    expect(await runs.replayRun({ id })).toMatchObject({ same: true, entries: 3, liveCalls: 0 });
    worker.kill();
    stack.worker({ replayed: async (ctx) => [await ctx.step('b', () => performed.push('b'))] });
    const report = await eventually(() => runs.replayRun({ id }));
    expect(report).toMatchObject({ same: false, liveCalls: 0, firstDifference: expect.stringContaining('a/1') });
    expect(performed).toEqual(['a']);
  });
});

describe('who may say something about a run', () => {
  test('is the one attempt that has it: another worker, a past attempt and an invented one are refused', async () => {
    verifies('scheduler.stale_attempt');
    const code = (ctx: TestContext) => ctx.step('s', () => new Promise(() => undefined));
    const first = stack.worker({ contested: code });
    const id = await start('contested');
    const [mine] = await eventually(() => first.activated.length === 1 && first.activated);
    const second = stack.worker({ elsewhere: async () => null });
    await second.welcomed;
    const claim = (attempt: string, value: string) => ({
      attempt,
      commands: [
        { kind: Kind.STEP, name: 's', occurrence: 1, what: { case: 'completed' as const, value: wire(value) } },
      ],
    });
    second.report(claim(mine?.attempt ?? '', 'stolen'));
    second.report(claim('3.1.zz', 'invented'));
    await eventually(() => second.evicted.length === 2);
    expect(second.evicted.map(({ reason }) => reason)).toEqual([Evict_Reason.STALE, Evict_Reason.STALE]);
    first.report(claim(mine?.attempt ?? '', 'mine'));
    await eventually(async () => (await stack.events(id)).length >= 2);
    expect((await stack.events(id))[1]?.data).toMatchObject({ value: 'mine' });
  });

  test('is only who belongs to its tenant: others neither get the run, nor find it', async () => {
    verifies('scheduler.tenant_isolation');
    const stranger = stack.worker({ secret: async () => 'stolen' }, { token: { tenant: 'tnt_other' } });
    await stranger.welcomed;
    const mine = stack.worker({ secret: (ctx) => ctx.wait('m') });
    const id = await start('secret');
    const [activated] = await eventually(() => mine.activated.length === 1 && mine.activated);
    stranger.report({ attempt: activated?.attempt ?? '', end: { case: 'completed', value: wire('stolen') } });
    await eventually(() => stranger.evicted.length === 1);
    const theirs = stack.runs({ tenant: 'tnt_other' });
    await expect(theirs.sendMessage({ id, message: 'm' })).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(theirs.cancelRun({ id })).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(theirs.getRunResult({ id })).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(theirs.getRun({ id })).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(theirs.replayRun({ id })).rejects.toMatchObject({ code: 'run.not_found' });
    expect((await theirs.listRuns({})).runs).toEqual([]);
    expect(stranger.activated).toEqual([]);
    await runs.sendMessage({ id, message: 'm', data: json('for its own') });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'for its own' });
  });

  test('serves only runs that it may act in: of its own principal, and those that act for it', async () => {
    verifies('scheduler.worker_serves_own');
    const code = async () => 'served';
    const other = stack.worker({ own: code }, { token: { principal: 'agt_other' } });
    await other.welcomed;
    const id = await start('own');
    const asked = stack.runs({ principal: 'agt_other' }).replayRun({ id });
    await expect(asked).rejects.toMatchObject({ code: 'run.no_worker' });
    const byOther = stack.runs({ principal: 'agt_other' });
    const theirs = await byOther.startRun({ workflow: 'own', input: json(null) });
    expect((await byOther.getRunResult({ id: theirs.id, wait })).state).toBe(RunState.SUCCEEDED);
    const person = stack.runs({ principal: 'psn_1', kind: 'person' });
    const forPerson = await person.startRun({ workflow: 'own', input: json(null), agent: 'agt_test' });
    expect(other.activated.map(({ runId }) => runId)).toEqual([theirs.id]);
    const standIn = stack.worker({ own: code }, { token: { principal: 'psn_1', kind: 'person' } });
    expect((await result(forPerson.id)).value).toBe('served');
    expect(standIn.activated.map(({ runId }) => runId)).toEqual([forPerson.id]);
    stack.worker({ own: code });
    expect((await result(id)).value).toBe('served');
    expect(other.activated).toHaveLength(1);
  });

  test('needs the capability to be a worker at all, and keeps the stream only as long as it may', async () => {
    const outsider = stack.worker({}, { token: { grant: ['run.start'] } });
    await expect(outsider.closed).rejects.toMatchObject({ code: 'auth.missing_capability' });
    const leaving = stack.worker({ x: async () => null }, { token: { principal: 'agt_leaving' } });
    await leaving.welcomed;
    stack.authenticator.revoke('agt_leaving');
    await expect(leaving.closed).rejects.toMatchObject({ code: 'auth.revoked' });
  });

  test('a report that makes no sense pauses the run, and hurts no other', async () => {
    const worker = stack.worker({ odd: (ctx) => ctx.wait('x'), fine: async () => 'fine' });
    const id = await start('odd');
    const [activated] = await eventually(() => worker.activated.length === 1 && worker.activated);
    const attempt = activated?.attempt ?? '';
    const notJson = { value: { case: 'json' as const, value: Buffer.from('{') } };
    worker.report({
      attempt,
      commands: [{ kind: Kind.STEP, name: 'y', occurrence: 1, what: { case: 'completed', value: notJson } }],
    });
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn.includes('not JSON'));
    expect(await result(await start('fine'))).toEqual({ state: RunState.SUCCEEDED, value: 'fine' });
  });
});

describe('a worker that has enough to do', () => {
  test('gets no more active runs than it wants; waiting ones do not count', async () => {
    const finish: (() => void)[] = [];
    const worker = stack.worker(
      {
        waiting: (ctx) => ctx.wait('never'),
        busy: (ctx) => ctx.step('busy', () => new Promise<void>((resolve) => finish.push(resolve))),
      },
      { concurrency: 2 },
    );
    for (let i = 0; i < 3; i++) await start('waiting');
    await eventually(() => worker.activated.length === 3);
    const ids = await Promise.all(Array.from({ length: 5 }, () => start('busy')));
    for (let done = 0; done < 5; done++) {
      await eventually(() => finish.length === Math.min(5, done + 2));
      expect(worker.activated).toHaveLength(3 + finish.length);
      finish[done]?.();
    }
    for (const id of ids) expect((await result(id)).state).toBe(RunState.SUCCEEDED);
  });

  test('drains: it gets nothing new, and what it gives back goes elsewhere', async () => {
    const code = (ctx: TestContext) => ctx.wait('go');
    const first = stack.worker({ drained: code });
    const id = await start('drained');
    await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message go');
    first.send({ drain: true, release: first.activated.map(({ attempt }) => attempt) });
    const next = await start('drained');
    const second = stack.worker({ drained: code });
    for (const each of [id, next]) await runs.sendMessage({ id: each, message: 'go', data: json('went') });
    for (const each of [id, next]) expect((await result(each)).value).toBe('went');
    expect(first.activated).toHaveLength(1);
    expect(second.activated).toHaveLength(2);
  });
});

function wire(value: unknown) {
  return { value: { case: 'json' as const, value: Buffer.from(JSON.stringify(value)) } };
}
