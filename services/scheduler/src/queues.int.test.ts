import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { QueueLimitsSchema } from '@writ/proto/queue/v1/queue';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, SchedulerStack } from './testing/scheduler-stack.js';
import type { TestWorker } from './testing/test-worker.js';

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
const set = (name: string, limits: MessageInitShape<typeof QueueLimitsSchema>) =>
  stack.queues().setQueue({ name, limits });
const start = async (queue: string, input: unknown, more: { key?: string; priority?: number } = {}) =>
  (await stack.runs().startRun({ workflow: 'held', queue, input: json(input), ...more })).id;
const begun = (worker: TestWorker) => [...new Set(worker.activated.map(({ runId }) => runId))];
const finish = async (id: string) => {
  await stack.runs().sendMessage({ id, message: 'go on', data: json(1) });
  expect((await stack.runs().getRunResult({ id, wait })).state).toBe(RunState.SUCCEEDED);
};
const why = async (id: string) => {
  const { reasons } = await stack.why().whyRun({ id });
  return reasons.map(({ code, text, runs }) => ({ code, text, runs }));
};

describe('a queue with limits', () => {
  test('lets so many of one key go on at once, waiting or not, and others when one has ended', async () => {
    verifies('queue.key_concurrency', 'queue.why');
    expect((await set('deploys', { keyConcurrency: 1, key: 'service' })).revision).toBe(1);
    expect((await set('deploys', { keyConcurrency: 1, key: 'service' })).revision).toBe(1);
    const worker = stack.worker({ held }, { queue: 'deploys' });
    const ids = [await start('deploys', { service: 'api' }), await start('deploys', { service: 'api' })];
    const web = await start('deploys', { service: 'web' });
    await eventually(() => begun(worker).length === 2);
    expect(begun(worker).sort()).toEqual([ids[0], web].sort());
    expect((await stack.queues().getQueue({ name: 'deploys' })).queue).toMatchObject({ holding: 2, waiting: 1 });
    expect(await why(ids[1] as string)).toEqual([
      {
        code: 'queue_key',
        text: `Queue deploys lets 1 run of one key go on until it has ended, and ${ids[0]} has its key.`,
        runs: [ids[0]],
      },
    ]);
    for (const id of [...ids, web]) await finish(id);
    const { queues } = await stack.queues().listQueues({});
    expect(queues).toMatchObject([{ name: 'deploys', revision: 1, limits: { keyConcurrency: 1, key: 'service' } }]);
  }, 60_000);

  test('gives the slot of a run that waits to another, and lets it go on before runs that have not begun', async () => {
    verifies('queue.waiting_is_free');
    await set('narrow', { concurrency: 1 });
    let done: (() => void) | undefined;
    const busy = (ctx: TestContext) => ctx.step('busy', () => new Promise<void>((resolve) => (done = resolve)));
    const worker = stack.worker({ held, busy }, { queue: 'narrow', concurrency: 10 });
    const waits = await start('narrow', {});
    await eventually(async () => (await stack.events(waits)).some(({ type }) => type === 'run.parked.v1'));
    const runs = stack.runs();
    const { id: works } = await runs.startRun({ workflow: 'busy', queue: 'narrow' });
    await eventually(() => done !== undefined);
    const urgent = await start('narrow', {}, { priority: 1 });
    const last = await start('narrow', {});
    await runs.sendMessage({ id: waits, message: 'go on', data: json(1) });
    expect(await why(waits)).toMatchObject([{ code: 'queue_concurrency', runs: [works] }]);
    done?.();
    await eventually(() => begun(worker).length === 4);
    expect(begun(worker)).toEqual([waits, works, urgent, last]);
    const order = (await stack.allEvents())
      .filter(({ type }) => type === 'run.admitted.v1')
      .map(({ subject }) => subject);
    expect(order.filter((id) => id === waits)).toHaveLength(2);
    await Promise.all([urgent, last].map(finish));
    expect((await runs.getRunResult({ id: waits, wait })).state).toBe(RunState.SUCCEEDED);
  }, 60_000);

  test('refuses a start that has no key where there must be one, and says why; a cancelled run goes without a slot', async () => {
    verifies('queue.no_key');
    await set('keyed', { keyConcurrency: 1, key: 'customer.id', cost: 'tokens' });
    const no = (detail: string) => ({ message: expect.stringContaining(detail) });
    await expect(start('keyed', { tokens: 1 })).rejects.toMatchObject(no("'customer.id' of the input is not a text"));
    await expect(start('keyed', { customer: { id: 'c' } })).rejects.toMatchObject(
      no("'tokens' of the input is not a whole"),
    );
    const items = [
      { workflow: 'held', queue: 'keyed', input: json({}) },
      { workflow: 'held', queue: 'keyed', input: json({ tokens: 2 }), key: 'c' },
    ];
    const { items: outcomes } = await stack.runs().startRuns({ items });
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual(['problem', 'run']);
    const second = await start('keyed', { tokens: 1 }, { key: 'c' });
    await stack.runs().cancelRun({ id: second });
    expect((await stack.runs().getRunResult({ id: second, wait })).state).toBe(RunState.CANCELLED);
  }, 60_000);

  test('whose limits were lifted lets everybody go on', async () => {
    verifies('queue.concurrency');
    await set('lifted', { concurrency: 1, keyConcurrency: 1 });
    const worker = stack.worker({ held }, { queue: 'lifted' });
    const ids = [await start('lifted', {}, { key: 'k' }), await start('lifted', {}, { key: 'k' })];
    await eventually(() => begun(worker).length === 1);
    await set('lifted', {});
    await eventually(() => begun(worker).length === 2);
    await expect(stack.queues().getQueue({ name: 'lifted' })).rejects.toMatchObject({ code: 'queue.not_found' });
    for (const id of ids) await finish(id);
  }, 60_000);
});

describe('a run that does not go on says why', () => {
  test('nobody serves it, it waits for a message, it has ended', async () => {
    verifies('queue.why');
    const id = await start('lonely', {});
    expect(await why(id)).toMatchObject([
      {
        code: 'no_worker',
        text: expect.stringMatching(/^No worker of .* with workflow held is connected to queue lonely\.$/),
      },
    ]);
    stack.worker({ held }, { queue: 'lonely' });
    await eventually(async () => (await why(id))[0]?.code === 'message');
    const { reasons } = await stack.why().whyRun({ id });
    const event = (await stack.events(id)).find(({ type }) => type === 'run.waiting.v1');
    expect(reasons[0]?.text).toBe("It waits for a message 'go on'.");
    expect(Number(reasons[0]?.since?.seconds)).toBe(Math.floor(Date.parse(event?.time ?? '') / 1000));
    await finish(id);
    expect(await why(id)).toMatchObject([{ code: 'ended', text: 'It has succeeded.' }]);
    await expect(why('run_unknown')).rejects.toMatchObject({ code: 'run.not_found' });
  }, 60_000);
});
