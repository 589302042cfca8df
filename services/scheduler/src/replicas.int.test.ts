import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const wait = { seconds: 30n, nanos: 0 };
const flow = async (ctx: TestContext, n: number) => {
  const first = await ctx.step('first', () => n);
  await ctx.sleep(20);
  return first + Number(await ctx.wait('add'));
};

describe('schedulers', () => {
  test('two of them share the partitions: runs of both reach a worker of either, and messages any run', async () => {
    await stack.addScheduler();
    const [one, two] = [stack.runs({}, 0), stack.runs({}, 1)];
    const worker = stack.worker({ flow }, { at: 1 });
    await worker.welcomed;
    const ids = await Promise.all(
      Array.from({ length: 24 }, (_, i) => one.startRun({ workflow: 'flow', input: json(i) })),
    );
    await Promise.all(ids.map(({ id }) => two.sendMessage({ id, message: 'add', data: json(100) })));
    const results = await Promise.all(ids.map(({ id }) => one.getRunResult({ id, wait })));
    expect(results.map(({ result }) => read(result))).toEqual(ids.map((_, i) => 100 + i));
    const replayed = await one.replayRun({ id: ids[0]?.id ?? '' });
    expect(replayed).toMatchObject({ same: true, liveCalls: 0 });
  }, 60_000);

  test('hand over a journal of any length, to a worker of either', async () => {
    const [one] = [stack.runs({}, 0)];
    const code = async (ctx: TestContext) => {
      let length = 0;
      for (let i = 0; i < 60; i++) length += (await ctx.step('chunk', () => 'x'.repeat(40_000))).length;
      return length + Number(await ctx.wait('add'));
    };
    const first = stack.worker({ long: code }, { at: 0 });
    const ids = await Promise.all(
      [1, 2, 3, 4].map(async () => (await one.startRun({ workflow: 'long', input: json(0) })).id),
    );
    await eventually(
      async () => (await one.listRuns({ filter: 'workflow = "long" AND state = "waiting"' })).runs.length === 4,
      {
        timeoutMs: 30_000,
      },
    );
    first.kill();
    const second = stack.worker({ long: code }, { at: 1 });
    await second.welcomed;
    await Promise.all(ids.map((id) => one.sendMessage({ id, message: 'add', data: json(1) })));
    for (const id of ids) expect(read((await one.getRunResult({ id, wait })).result)).toBe(2_400_001);
    expect(second.activated.map(({ journalLength }) => journalLength)).toEqual([61, 61, 61, 61]);
  }, 90_000);

  test('one of them leaves: its runs go on with the other', async () => {
    const [one, two] = [stack.runs({}, 0), stack.runs({}, 1)];
    stack.worker({ flow }, { at: 0 });
    const ids = await Promise.all(
      Array.from({ length: 24 }, (_, i) => one.startRun({ workflow: 'flow', input: json(i) })),
    );
    await eventually(async () => (await one.listRuns({ filter: 'state = "waiting"' })).runs.length === 24);
    const replacement = stack.worker({ flow }, { at: 1 });
    await replacement.welcomed;
    const [leaving] = stack.schedulers;
    await leaving?.stop();
    await Promise.all(ids.map(({ id }) => two.sendMessage({ id, message: 'add', data: json(200) })));
    const results = await Promise.all(ids.map(({ id }) => two.getRunResult({ id, wait })));
    expect(results.map(({ result }) => read(result))).toEqual(ids.map((_, i) => 200 + i));
    for (const { id } of ids) {
      const steps = (await stack.events(id)).filter(({ type }) => type === 'run.step_completed.v1');
      expect(steps).toHaveLength(1);
    }
  }, 60_000);

  test('all of them restart: everything is as it was, waiting runs wait, and timers that came due meanwhile fire', async () => {
    verifies('scheduler.restart');
    const before = stack.runs({}, 1);
    const code = async (ctx: TestContext, ms: number) => {
      await ctx.step('before', () => null);
      await ctx.sleep(ms);
      return ctx.wait('m');
    };
    stack.worker({ timed: code }, { at: 1 });
    const { id } = await before.startRun({ workflow: 'timed', input: json(300) });
    const waiting = await before.startRun({ workflow: 'timed', input: json(3_600_000) });
    await eventually(
      async () => (await before.listRuns({ filter: 'state = "waiting" AND workflow = "timed"' })).runs.length === 2,
    );
    await before.sendMessage({ id, message: 'm', data: json('kept') });
    await stack.stopWorkers();
    await stack.schedulers[1]?.stop();
    await stack.addScheduler();
    const after = stack.runs({}, 2);
    const worker = stack.worker({ timed: code }, { at: 2 });
    const { result, state } = await after.getRunResult({ id, wait });
    expect({ state, value: read(result) }).toEqual({ state: RunState.SUCCEEDED, value: 'kept' });
    expect(worker.activated.map(({ runId }) => runId)).toEqual([id]);
    expect((await after.getRun({ id: waiting.id })).run?.waitingOn).toMatch(/^timer until/);
  }, 60_000);
});
