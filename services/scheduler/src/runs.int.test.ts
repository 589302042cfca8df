import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const json = (value: unknown) => ({ data: Buffer.from(JSON.stringify(value)) });
const read = (payload: { data: Uint8Array } | undefined) =>
  payload ? JSON.parse(Buffer.from(payload.data).toString()) : undefined;
const wait = { seconds: 4n, nanos: 0 };

describe('a run', () => {
  test('of three steps gives its result', async () => {
    stack.worker({
      sum: async (ctx, { start }: { start: number }) => {
        const a = await ctx.step('a', () => start + 1);
        const b = await ctx.step('b', () => a + 1);
        return ctx.step('c', () => b + 1);
      },
    });
    const runs = stack.runs();
    const { id, attached } = await runs.startRun({ workflow: 'sum', input: json({ start: 1 }) });
    expect(attached).toBe(false);
    const result = await runs.getRunResult({ id, wait });
    expect(result.state).toBe(RunState.SUCCEEDED);
    expect(read(result.result)).toBe(4);
    expect((await stack.events(id)).map(({ type }) => type)).toEqual([
      'run.started.v1',
      'run.step_completed.v1',
      'run.step_completed.v1',
      'run.step_completed.v1',
      'run.succeeded.v1',
    ]);
  });
});
