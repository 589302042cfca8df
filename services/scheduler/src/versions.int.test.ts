import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import type { TestWorkflow } from './testing/test-context.js';
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
const result = async (id: string) => {
  const { state, result: value, error } = await runs.getRunResult({ id, wait });
  return error ? error.code : { state, value: read(value) };
};
const done: string[] = [];
let broken = true;
const order: TestWorkflow = async (ctx, input) => {
  const loaded = await ctx.step('load', () => (done.push('load'), `loaded ${String(input)}`));
  const paid = await ctx.wait('paid');
  const child = await ctx.start('stamp', null);
  const stamp = await ctx.result(child);
  const charged = await ctx.step('charge', () => {
    done.push('charge');
    if (broken) throw new Error('the tariff is wrong');
    return `charged ${String(paid)}`;
  }, constant(1, 1)); // prettier-ignore
  return `${String(loaded)}, ${String(stamp)}, ${charged}`;
};
const stamp: TestWorkflow = () => Promise.resolve('stamped');

test('a run that failed goes on from a step, also behind another worker; a fork of it goes its own way', async () => {
  verifies('versions.restart');
  verifies('versions.fork');
  const worker = stack.worker({ order, stamp });
  const { id } = await runs.startRun({ workflow: 'order', input: json('bees') });
  await runs.sendMessage({ id, message: 'paid', data: json(21) });
  expect(await result(id)).toBe('error');
  const { run: before } = await runs.getRun({ id });
  await expect(runs.restartRun({ id, from: 'nothing' })).rejects.toMatchObject({ code: 'run.no_such_step' });

  broken = false;
  worker.kill();
  const { dropped, position } = await runs.restartRun({ id, from: 'charge/1', reason: 'mended' });
  expect(dropped).toEqual(['step charge/1 (an attempt that failed)']);
  const { run } = await runs.getRun({ id, after: position });
  expect(run).toMatchObject({ state: RunState.RUNNING, createTime: before?.createTime });
  expect(run?.entries).toBe((before?.entries ?? 0) - 1);
  const next = stack.worker({ order, stamp });
  const succeeded = { state: RunState.SUCCEEDED, value: 'loaded bees, stamped, charged 21' };
  expect(await result(id)).toEqual(succeeded);
  expect(done).toEqual(['load', 'charge', 'charge']);
  const activated = next.activated.find(({ runId }) => runId === id);
  expect(activated).toMatchObject({ life: `${id}~1`, kept: [{ life: id, entries: 4 }], journalLength: 4 });
  expect(await runs.replayRun({ id })).toMatchObject({ same: true, liveCalls: 0 });
  await expect(runs.restartRun({ id, from: 'charge', reason: 'again' })).resolves.toMatchObject({
    dropped: ['step charge/1'],
  });
  expect(await result(id)).toEqual(succeeded);

  const { id: fork } = await runs.startRun({ workflow: 'order', fork: { run: id, after: 'load/1' } });
  await eventually(async () => (await runs.getRun({ id: fork })).run?.waitingOn === 'message paid');
  await runs.sendMessage({ id: fork, message: 'paid', data: json(7) });
  expect(await result(fork)).toEqual({ state: RunState.SUCCEEDED, value: 'loaded bees, stamped, charged 7' });
  expect(done).toEqual(['load', 'charge', 'charge', 'charge', 'charge']);
  expect(await runs.getRunHistory({ id: fork })).toMatchObject({
    history: { format: 'writ-history/1', kept: [{ entries: 1 }] },
  });
}, 60_000);

test('what goes on is not restarted, and a paused run is', async () => {
  stack.worker({ order, stamp });
  const { id } = await runs.startRun({ workflow: 'order', input: json('wasps') });
  await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message paid');
  await expect(runs.restartRun({ id, from: 'load' })).rejects.toMatchObject({ code: 'run.not_restartable' });
  await runs.pauseRun({ id });
  expect(await runs.restartRun({ id, from: 'load' })).toMatchObject({ dropped: ['step load/1'] });
  await runs.sendMessage({ id, message: 'paid', data: json(1) });
  expect(await result(id)).toMatchObject({ value: 'loaded wasps, stamped, charged 1' });
}, 60_000);

test('a run that is pinned goes to workers of its version alone, and moves when it is pinned to another', async () => {
  verifies('versions.pinned');
  const by = (version: string): TestWorkflow => async (ctx) => {
    await ctx.wait('go');
    return ctx.step(`count ${version}`, () => version);
  }; // prettier-ignore
  const second = stack.worker({ count: by('2') }, { version: '2' });
  const start = (more: object) => runs.startRun({ workflow: 'count', version: '1', ...more });
  const { id } = await start({ pinned: true });
  const { id: other } = await start({});
  await eventually(async () => (await runs.getRun({ id: other })).run?.waitingOn === 'message go');
  expect((await runs.getRun({ id })).run).toMatchObject({ state: RunState.QUEUED, version: '1', pinnedTo: '1' });
  const first = stack.worker({ count: by('1') }, { version: '1' });
  await eventually(() => first.activated.some(({ runId }) => runId === id));
  await eventually(async () => (await runs.getRun({ id })).run?.waitingOn === 'message go');

  await runs.pinRun({ id, version: '2' });
  await eventually(() => second.activated.some(({ runId }) => runId === id));
  expect((await runs.getRun({ id })).run).toMatchObject({ version: '1', pinnedTo: '2' });
  await runs.sendMessage({ id, message: 'go', data: json(null) });
  expect(await result(id)).toMatchObject({ value: '2' });
  await expect(runs.pinRun({ id, version: '1' })).rejects.toMatchObject({ code: 'run.ended' });
  await expect(runs.startRun({ workflow: 'count', pinned: true })).rejects.toMatchObject({ code: 'run.bad_input' });
}, 60_000);

test('new runs go to the versions that a ramp of their workflow says, and wait for workers of them', async () => {
  verifies('versions.ramp');
  const ramps = stack.ramps();
  const bill: TestWorkflow = () => Promise.resolve('billed');
  stack.worker({ bill }, { version: '1' });
  expect(await ramps.setRamp({ workflow: 'bill', from: '1', to: '2', percent: 50 })).toMatchObject({ revision: 1 });
  expect(await ramps.setRamp({ workflow: 'bill', from: '1', to: '2', percent: 50 })).toMatchObject({ revision: 1 });
  const { items } = await runs.startRuns({ items: Array.from({ length: 40 }, () => ({ workflow: 'bill' })) });
  const found = await Promise.all(
    items.map(async ({ outcome }) => {
      if (outcome.case !== 'run') throw new Error('it was not started');
      return (await runs.getRun({ id: outcome.value.id, after: outcome.value.position })).run;
    }),
  );
  const [one, two] = ['1', '2'].map((version) => found.filter((run) => run?.version === version));
  expect((one?.length ?? 0) + (two?.length ?? 0)).toBe(40);
  for (const run of one ?? []) expect(await result(run?.id as string)).toMatchObject({ value: 'billed' });
  const waits = two?.[0]?.id as string;
  const { reasons } = await stack.why().whyRun({ id: waits });
  expect(reasons).toMatchObject([{ code: 'no_worker' }]);
  expect(reasons[0]?.text).toContain('workflow bill@2');
  expect((await ramps.listRamps({})).ramps).toMatchObject([{ workflow: 'bill', to: '2', percent: 50, from: '1' }]);

  await ramps.endRamp({ workflow: 'bill' });
  await expect(ramps.getRamp({ workflow: 'bill' })).rejects.toMatchObject({ code: 'ramp.not_found' });
  const { id: later } = await runs.startRun({ workflow: 'bill' });
  expect(await result(later)).toMatchObject({ value: 'billed' });
  expect((await runs.getRun({ id: waits })).run?.state).toBe(RunState.QUEUED);
  stack.worker({ bill }, { version: '2' });
  expect(await result(waits)).toMatchObject({ value: 'billed' });
}, 60_000);
