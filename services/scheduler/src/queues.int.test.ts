import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/run-execution.js';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const wait = { seconds: 30n, nanos: 0 };
const held = (ctx: TestContext) => ctx.wait('go on');

describe('a queue with limits', () => {
  test('lets so many of one key go on at once, waiting or not, and others when one has ended', async () => {
    verifies('queue.key_concurrency');
    const { revision } = await stack
      .queues()
      .setQueue({ name: 'deploys', limits: { keyConcurrency: 1, key: 'service' } });
    expect(revision).toBe(1);
    const worker = stack.worker({ held }, { queue: 'deploys' });
    await worker.welcomed;
    const runs = stack.runs();
    const start = (service: string) =>
      runs.startRun({ workflow: 'held', queue: 'deploys', input: json({ service }) }).then(({ id }) => id);
    const ids = [await start('api'), await start('api'), await start('web')];
    const here = () => new Set(worker.activated.map(({ runId }) => runId));
    await eventually(() => here().size === 2);
    expect(here()).toEqual(new Set([ids[0], ids[2]]));
    for (const [at, id] of ids.entries()) {
      await runs.sendMessage({ id: id as string, message: 'go on', data: json(at) });
      expect((await runs.getRunResult({ id: id as string, wait })).state).toBe(RunState.SUCCEEDED);
    }
  }, 60_000);
});
