/** What goes wrong around runs, each with the outcome that it must have. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';

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
const result = async (id: string) => {
  const { state, result: value, error } = await runs.getRunResult({ id, wait });
  return error ? { state, code: error.code } : { state, value: read(value) };
};

test('a workflow that starts itself for ever ends with a code, in every run of it', async () => {
  verifies('run.depth_limit');
  const endless = async (ctx: TestContext, depth: number): Promise<unknown> =>
    ctx.result(await ctx.start('endless', depth + 1));
  stack.worker({ endless: endless as never });
  const { id } = await runs.startRun({ workflow: 'endless', input: json(0) });
  expect(await result(id)).toEqual({ state: RunState.FAILED, code: 'run.too_deep' });
  const below = (await stack.allEvents()).filter(
    ({ type, data }) => type === 'run.started.v1' && (data as { workflow: string }).workflow === 'endless',
  );
  expect(below).toHaveLength(9);
});

test('names are text, whatever is in it', async () => {
  verifies('run.names');
  const names = [' ', 'a/1', 'a#1/2', 'ümläut 🐝', '__proto__', 'back\\', '"}', 'x'.repeat(256)];
  stack.worker({
    named: async (ctx: TestContext) => {
      for (const name of names) await ctx.step(name, () => name);
      return ctx.wait('go');
    },
  });
  const { id } = await runs.startRun({ workflow: 'named' });
  await stack.stopWorkers();
  // Another worker takes the way of the record.
  stack.worker({
    named: async (ctx: TestContext) => {
      const values: string[] = [];
      for (const name of names) values.push(await ctx.step(name, () => name));
      return [values, await ctx.wait('go')];
    },
  });
  await runs.sendMessage({ id, message: 'go', data: json(1) });
  expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [names, 1] });
});

test.each(['a b', 'a/b', '../a', 'agt_1', 'ü', 'a\u0000', 'x'.repeat(201), '\ud800'])(
  '%j cannot be the id of a run',
  async (id) => {
    verifies('run.names');
    await expect(runs.startRun({ workflow: 'named', id })).rejects.toMatchObject({
      code: expect.stringMatching(/^(run\.bad_input|request\.invalid)$/),
    });
  },
);

test('a run that was to start in the past starts at once; one that has ended takes no message', async () => {
  verifies('run.ended_takes_nothing');
  stack.worker({ quick: async () => 'done' });
  const startTime = { seconds: 1_000_000_000n, nanos: 0 };
  const { id } = await runs.startRun({ workflow: 'quick', startTime });
  expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: 'done' });
  await expect(runs.sendMessage({ id, message: 'go' })).rejects.toMatchObject({ code: 'run.ended' });
  await expect(runs.resumeRun({ id })).rejects.toMatchObject({ code: 'run.not_paused' });
});
