import { afterAll, beforeAll, expect, test } from '@jest/globals';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

const hourMs = 3_600_000;
const sleepMs = 2_000;
const count = 16;

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterAll(async () => {
  await stack?.stopWorkers();
  await stack?.[Symbol.asyncDispose]();
});

test('a sleep takes its time while the clock of its scheduler is set an hour forward and back', async () => {
  verifies('scheduler.clock_jump');
  const jumping = await stack.addProcess({
    NODE_OPTIONS: `--import=${pathToFileURL(path.join(projectRoot, 'libs/testkit/src/shift-clock.mjs')).href}`,
    WRIT_TEST_CLOCK_SHIFTS: [hourMs, -hourMs, 0].join(),
  });
  const at = stack.schedulers.length - 1;
  const nap = async (ctx: TestContext): Promise<string> => {
    await ctx.sleep(sleepMs);
    return 'rested';
  };
  for (const place of [0, at]) await stack.worker({ nap }, { at: place }).welcomed;
  for (let jump = 0; jump < 3; jump++) {
    const runs = stack.runs({}, at);
    const began = performance.now();
    // Enough that some belong to partitions of the process whose clock jumps.
    const started = Array.from({ length: count }, async () => {
      const { id } = await runs.startRun({ workflow: 'nap', input: json(0) });
      const { state } = await runs.getRunResult({ id, wait: { seconds: 60n, nanos: 0 } });
      return { state, ms: performance.now() - began };
    });
    const told = jumping.lines.length;
    jumping.send('SIGUSR2');
    await eventually(() => jumping.lines.slice(told).some((line) => line.includes('the clock is set')));
    for (const { state, ms } of await Promise.all(started)) {
      expect(state).toBe(RunState.SUCCEEDED);
      // The clock may go a tenth faster or slower, to meet the wall clock again.
      expect(ms).toBeGreaterThan(0.88 * sleepMs);
      expect(ms).toBeLessThan(4 * sleepMs);
    }
  }
}, 90_000);
