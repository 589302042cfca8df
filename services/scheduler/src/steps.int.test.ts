import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { Evict_Reason } from '@writ/proto/worker/v1/worker';
import { eventually, verifies } from '@writ/testkit';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import { constant, Kind, type TestWorker } from './testing/test-worker.js';

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
const start = async (workflow: string, input: unknown = null, more: object = {}) =>
  (await runs.startRun({ workflow, input: json(input), ...more })).id;
const result = async (id: string) => {
  const { state, result: value, error } = await runs.getRunResult({ id, wait });
  return error ? { state, code: error.code } : { state, value: read(value) };
};
const attemptOf = async (worker: TestWorker, at = 0) =>
  eventually(() => worker.activated.length > at && worker.activated[at]?.attempt);

describe('a step', () => {
  test('that has no attempt left waits for a person, who lets it be tried anew', async () => {
    verifies('scheduler.exhausted_pauses');
    let broken = true;
    const pausing = { ...constant(2, 10), pause: true };
    const body = () => (broken ? Promise.reject(new Error('the shop is closed')) : 'charged');
    const worker = stack.worker({ shop: (ctx) => ctx.step('charge', body, pausing) });
    const id = await start('shop');
    const { run } = await eventually(async () => {
      const got = await runs.getRun({ id });
      return got.run?.waitingOn.startsWith('person: ') && got;
    });
    expect(run).toMatchObject({
      state: RunState.WAITING,
      waitingOn: 'person: step charge/1 is exhausted after 2 failures: error: the shop is closed',
    });
    broken = false;
    worker.kill();
    stack.worker({ shop: (ctx) => ctx.step('charge', body, pausing) });
    await runs.resumeRun({ id });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'charged' });
    await expect(runs.resumeRun({ id })).rejects.toMatchObject({ code: 'run.not_paused' });
  });

  test('whose worker is silent for longer than its lease is freed; its late result is refused, its progress handed on', async () => {
    verifies('scheduler.step_lost');
    const never = new Promise<never>(() => {});
    const silent = stack.worker({ copy: (ctx) => ctx.step('copy', () => never) });
    const id = await start('copy');
    const attempt = await attemptOf(silent);
    const key = { kind: Kind.STEP, name: 'copy', occurrence: 1 };
    const beat = {
      attempt: 1,
      leaseMs: 700n,
      policy: constant(2, 10),
      progress: { value: { case: 'json' as const, value: Buffer.from('{"page":7}') } },
    };
    silent.report({ attempt, commands: [{ ...key, what: { case: 'beat', value: beat } }] });
    const { run } = await eventually(async () => {
      const got = await runs.getRun({ id });
      return got.run?.progress.length === 1 && got;
    });
    expect(run?.progress).toMatchObject([{ step: 'step copy/1', attempt: 1 }]);
    const next = stack.worker({ copy: (ctx) => ctx.step('copy', (n) => `copied by ${n}`) });
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'copied by 2' });
    expect(next.activated[0]?.progress).toMatchObject([{ name: 'copy', occurrence: 1 }]);
    expect(Buffer.from(next.activated[0]?.progress[0]?.value?.value.value as Uint8Array).toString()).toBe('{"page":7}');
    expect(silent.evicted).toMatchObject([{ attempt, reason: Evict_Reason.STALE }]);
    silent.report({ attempt, commands: [{ ...key, what: { case: 'completed', value: {} } }] });
    await eventually(() => silent.evicted.length === 2);
    const events = await stack.events(id);
    expect(events.map(({ type }) => type)).toEqual([
      'run.started.v1',
      'run.step_failed.v1',
      'run.step_completed.v1',
      'run.succeeded.v1',
    ]);
    expect(events[1]?.data).toMatchObject({ attempt: 1, error: { code: 'run.step_lost' }, lost: true });
    // It was silent, and is not any more: it gets runs again.
    next.kill();
    const again = await start('copy');
    await eventually(() => silent.activated.some(({ runId }) => runId === again));
  });

  test('that gives signs of life keeps its worker for as long as it takes', async () => {
    let done: (value: string) => void = () => {};
    const slow = new Promise<string>((resolve) => (done = resolve));
    const worker = stack.worker({ slow: (ctx) => ctx.step('slow', () => slow) });
    const id = await start('slow');
    const attempt = await attemptOf(worker);
    const beat = { attempt: 1, leaseMs: 400n, policy: constant(1, 10) };
    const say = () =>
      worker.report({
        attempt,
        commands: [{ kind: Kind.STEP, name: 'slow', occurrence: 1, what: { case: 'beat', value: beat } }],
      });
    const from = Date.now();
    await eventually(() => (say(), Date.now() - from > 1500), { everyMs: 100 });
    done('done');
    expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
  });
});
