import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { BatchState } from '@writ/proto/run/v1/batch';
import { newId } from '@writ/ledger/domain';
import { eventually, verifies } from '@writ/testkit';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterAll(() => stack[Symbol.asyncDispose]());
afterEach(() => stack.stopWorkers());

const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 });

/** Starts runs of a workflow that nobody serves. */
async function startMany(workflow: string, count: number, id = () => newId('run')): Promise<string[]> {
  const items = Array.from({ length: count }, (_, n) => ({ workflow, id: id(), input: json(n) }));
  await stack.runs().startRuns({ items });
  return items.map(({ id: each }) => each);
}
const stateOf = async (id: string) => (await stack.runs().getRun({ id })).run;

describe('a batch', () => {
  test('is done to all runs that match, once, although the scheduler that carries it out dies', async () => {
    verifies('batch.durable');
    const runs = await startMany('old', 2_000);
    const others = await startMany('new', 10);
    const filter = 'workflow = "old" AND state = "queued"';
    const batch = { id: 'clean-up', action: 'cancel', filter, reason: 'wrong branch' };
    const preview = await stack.batches().createBatch({ ...batch, validateOnly: true });
    expect(preview).toMatchObject({ batch: { id: '', expected: 2_000n }, position: '' });
    expect(preview.sample).toHaveLength(20);
    await stack.batches().createBatch(batch);
    await eventually(async () => Number((await stack.batches().getBatch({ id: 'clean-up' })).batch?.done) > 0);
    await stack.addScheduler();
    await stack.schedulers.shift()?.stop();
    const { batch: ended } = await stack.batches().getBatch({ id: 'clean-up', wait: seconds(30) });
    expect(ended).toMatchObject({ state: BatchState.DONE, expected: 2_000n, failed: 0n });
    expect(Number(ended?.done) + Number(ended?.unchanged)).toBe(2_000);
    // Who has lost its owner on the way is given time to stop by itself.
    await eventually(async () => (await stack.runs().countRuns({ filter })).runs === 0n);
    const events = await stack.allEvents();
    const cancelled = new Set(runs);
    for (const { type, subject, data } of events)
      if (type === 'run.cancelled.v1') {
        expect(cancelled.delete(subject)).toBe(true); // each once
        expect(data).toMatchObject({ reason: 'wrong branch' });
      }
    expect(cancelled).toEqual(new Set());
    expect(await stateOf(others[0] as string)).toMatchObject({ workflow: 'new', waitingOn: '' });
    // The same again is the one that was.
    expect((await stack.batches().createBatch(batch)).batch).toMatchObject({ state: BatchState.DONE });
    await expect(stack.batches().createBatch({ ...batch, filter: 'state = waiting' })).rejects.toMatchObject({
      message: expect.stringContaining('clean-up'),
    });
  }, 90_000);

  test('pauses, resumes and sends, and touches no run beyond the caller’s own rights', async () => {
    verifies('batch.rights');
    const workflow = 'paused-and-resumed';
    const mine = await startMany(workflow, 3, () => `mine-${newId('run')}`);
    const [other] = (await startMany(workflow, 1)) as [string];
    const mayOnly = { type: 'writ' as const, actions: ['run.*'], resources: ['mine-*'] };
    const narrow = stack.batches({ grant: ['batch.*', mayOnly] });
    const run = async (request: { action: string; message?: string; data?: { data: Buffer } }) => {
      const { batch } = await narrow.createBatch({ filter: `workflow = "${workflow}"`, reason: 'r', ...request });
      return (await narrow.getBatch({ id: batch?.id ?? '', wait: seconds(20) })).batch;
    };
    const failures = [{ code: 'auth.missing_capability', count: 1n, run: other }];
    expect(await run({ action: 'pause' })).toMatchObject({ state: BatchState.DONE, done: 3n, failed: 1n, failures });
    expect(await stateOf(mine[0] as string)).toMatchObject({ waitingOn: expect.stringContaining('paused by') });
    expect(await run({ action: 'pause' })).toMatchObject({ done: 0n, unchanged: 3n, failed: 1n });
    expect(await run({ action: 'send', message: 'go', data: json(7) })).toMatchObject({ done: 3n, failed: 1n });
    expect(await run({ action: 'resume' })).toMatchObject({ done: 3n, unchanged: 0n, failed: 1n });
    expect((await stack.events(mine[1] as string)).map(({ type }) => type)).toEqual([
      'run.started.v1',
      'run.paused.v1',
      'run.message_received.v1',
      'run.resumed.v1',
    ]);
    expect((await stack.events(other)).map(({ type }) => type)).toEqual(['run.started.v1']);
  }, 60_000);

  test('is listed, and stopped', async () => {
    await startMany('stopped', 5_000);
    const batches = stack.batches();
    const { batch } = await batches.createBatch({ action: 'pause', filter: 'workflow = stopped' });
    const id = batch?.id ?? '';
    await batches.stopBatch({ id, reason: 'enough' });
    const { batch: ended } = await batches.getBatch({ id, wait: seconds(20) });
    expect(ended).toMatchObject({ state: BatchState.STOPPED, error: { code: 'batch.stopped', message: 'enough' } });
    expect(Number(ended?.done)).toBeLessThan(5_000);
    const first = await batches.listBatches({ pageSize: 1 });
    expect(first.batches).toMatchObject([{ id }]);
    expect((await batches.listBatches({ pageToken: first.nextPageToken })).batches.length).toBeGreaterThan(0);
  }, 60_000);
});

describe('a run that is deleted', () => {
  test('is in no list and no count, says so to whoever asks, and keeps its record and its id', async () => {
    verifies('run.deleted');
    const ids = await startMany('to-delete', 40, () => `gone-${newId('run')}`);
    const [id = '', open = ''] = ids;
    await stack.runs().cancelRun({ id, reason: 'enough' });
    const { batch } = await stack
      .batches()
      .createBatch({ action: 'delete', filter: 'workflow = to-delete', reason: 'old' });
    const failures = [{ code: 'run.not_ended', count: 39n }];
    const { batch: ended } = await stack.batches().getBatch({ id: batch?.id ?? '', wait: seconds(20) });
    expect(ended).toMatchObject({ state: BatchState.DONE, done: 1n, failed: 39n, failures });
    expect((await stack.runs().countRuns({ filter: 'workflow = to-delete', groupBy: 'state' })).runs).toBe(39n);
    expect((await stack.runs().listRuns({ filter: 'workflow = to-delete AND state = cancelled' })).runs).toEqual([]);
    const gone = { code: 'run.deleted' };
    for (const ask of [
      () => stack.runs().getRun({ id }),
      () => stack.runs().getRunResult({ id }),
      () => stack.runs().sendMessage({ id, message: 'm' }),
      () => stack.runs().deleteRun({ id }),
      () => stack.runs().startRun({ workflow: 'to-delete', id, input: json(0) }),
    ])
      await expect(ask()).rejects.toMatchObject(gone);
    await expect(stack.runs().deleteRun({ id: open })).rejects.toMatchObject({ code: 'run.not_ended' });
    expect((await stack.events(id)).map(({ type }) => type)).toEqual([
      'run.started.v1',
      'run.cancel_requested.v1',
      'run.cancelled.v1',
      'run.deleted.v1',
    ]);
  }, 60_000);
});

describe('attributes of a run', () => {
  test('are set at the start, find it, and are refused where they make no sense', async () => {
    verifies('scheduler.find_runs');
    const items = Array.from({ length: 6 }, (_, n) => ({
      workflow: 'attributed', attributes: { customer: n % 2 ? 'acme' : 'other', amount: n, urgent: n > 3 },
    })); // prettier-ignore
    await stack.runs().startRuns({ items });
    const found = await stack.runs().listRuns({
      filter: 'attributes.customer = "acme" AND attributes.amount >= 3', orderBy: 'attributes.amount desc',
    }); // prettier-ignore
    expect(found.runs.map(({ attributes }) => attributes)).toEqual([
      { customer: 'acme', amount: 5, urgent: true },
      { customer: 'acme', amount: 3, urgent: false },
    ]);
    const { groups } = await stack.runs().countRuns({ filter: 'workflow = attributed', groupBy: 'attributes.urgent' });
    expect(groups.map(({ value, runs }) => [value?.kind.value, runs])).toEqual([
      [false, 4n],
      [true, 2n],
    ]);

    stack.worker({ family: (ctx) => ctx.start('attributed', null, { attributes: { customer: 'of a parent' } }) });
    await stack.runs().startRun({ workflow: 'family' });
    await eventually(async () => {
      const { runs } = await stack.runs().listRuns({ filter: 'attributes.customer = "of a parent"' });
      return runs[0]?.parent !== undefined && runs[0].parent !== '';
    });
    for (const attributes of [{ '1': 1 }, { a: [1] }, { a: 'x'.repeat(201) }, { a: null }])
      await expect(stack.runs().startRun({ workflow: 'attributed', attributes } as never)).rejects.toMatchObject({
        code: 'run.bad_attributes',
      });
  }, 30_000);
});

test('runs that are older than their rule allows are deleted, and no others', async () => {
  verifies('run.retention');
  const ended = async (workflow: string) => {
    const [id = ''] = await startMany(workflow, 1, () => `kept-${newId('run')}`);
    await stack.runs().cancelRun({ id, reason: 'enough' });
    return id;
  };
  const [short, long, failing] = [await ended('short'), await ended('long'), await ended('other')];
  const rules = [
    { workflow: 'short', keep: seconds(1) },
    { workflow: 'long', keep: seconds(3600) },
    { states: ['failed'], keep: seconds(1) },
  ];
  await stack.retention().setRetention({ rules });
  await eventually(async () => {
    const error: unknown = await stack
      .runs()
      .getRun({ id: short })
      .catch((problem: unknown) => problem);
    return (error as { code?: string }).code === 'run.deleted';
  });
  for (const id of [long, failing]) expect((await stack.runs().getRun({ id })).run).toMatchObject({ id });
  const newest = { by: 'scheduler', action: 'delete', reason: expect.stringContaining('retention') };
  // The list is of another partition than the run, and may be behind.
  await eventually(async () => {
    expect((await stack.batches().listBatches({})).batches[0]).toMatchObject(newest);
    return true;
  });
  const { rules: read, by } = await stack.retention().getRetention({});
  expect([by, read.map(({ workflow, states }) => [workflow, states.length])]).toEqual([
    expect.any(String),
    [['short', 3], ['long', 3], ['', 1]],
  ]); // prettier-ignore
  await stack.retention().setRetention({ rules: [] });
  const clash = stack.retention().setRetention({ rules: [rules[2]!, { keep: seconds(9) }] });
  await expect(clash).rejects.toMatchObject({ code: 'retention.bad_rules' });
}, 60_000);
