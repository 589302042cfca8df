import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { RecordedError } from './testing/run-values.js';
import type { TestWorkflow } from './testing/test-context.js';
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
const types = async (id: string) => (await stack.events(id)).map(({ type }) => type.replace(/^run\.(.*)\.v1$/, '$1'));
const query = async (id: string, at = 0) => read((await stack.runs({}, at).queryRun({ id, query: 'balance' })).answer);
const withdraw = async (id: string, cents: number, idempotencyKey = '', at = 0) => {
  const request = { id, update: 'withdraw', data: json(cents), idempotencyKey, wait };
  const { answer, error } = await stack.runs({}, at).updateRun(request);
  return error ? error.code : read(answer);
};
const wallet: TestWorkflow = async (ctx, balance: number) => {
  let left = balance;
  ctx.handle('balance', () => left);
  ctx.handle(
    'withdraw',
    async (cents) => {
      if (cents === 13) throw new RecordedError({ code: 'wallet.unlucky', message: 'bad luck' });
      await ctx.step('pay', () => cents);
      return (left -= cents as number);
    },
    (cents) => {
      if ((cents as number) > left) throw new RecordedError({ code: 'wallet.short', message: `only ${left} left` });
    },
  );
  await ctx.wait('close');
  return left;
};
const started = async (balance = 100) => (await runs.startRun({ workflow: 'wallet', input: json(balance) })).id;
const close = async (id: string) => {
  await runs.sendMessage({ id, message: 'close' });
  return read((await runs.getRunResult({ id, wait })).result);
};

describe('a run that answers', () => {
  test('does so where it lives, from its record when no worker has it, and when it has ended', async () => {
    verifies('run.answers');
    const worker = stack.worker({ wallet });
    const id = await started();
    expect(await query(id)).toBe(100);
    expect(await withdraw(id, 80, 'k')).toBe(20);
    expect(await withdraw(id, 80, 'k')).toBe(20);
    await expect(withdraw(id, 80)).rejects.toMatchObject({
      code: 'run.update_refused',
      details: { reason: 'wallet.short' },
    });
    expect(await withdraw(id, 13, 'unlucky')).toBe('wallet.unlucky');
    expect(await query(id)).toBe(20); // by now its worker has said that it only waits
    worker.kill();
    await expect(query(id)).rejects.toMatchObject({ code: 'run.no_worker' });
    const another = stack.worker({ wallet });
    expect(await query(id)).toBe(20);
    expect(another.activated).toHaveLength(0);
    expect(await withdraw(id, 5)).toBe(15);
    expect(await close(id)).toBe(15);
    const before = await types(id);
    expect(await query(id)).toBe(15);
    expect(await withdraw(id, 80, 'k')).toBe(20);
    expect(await withdraw(id, 13, 'unlucky')).toBe('wallet.unlucky');
    await expect(withdraw(id, 1)).rejects.toMatchObject({ code: 'run.ended' });
    expect(await types(id)).toEqual(before);
    expect(before.filter((type) => type === 'update_accepted')).toHaveLength(3);
  });

  test('does an update once, also when its worker dies over it', async () => {
    let worker = stack.worker({ wallet });
    const id = await started();
    expect(await query(id)).toBe(100);
    worker.onEntry = () => worker.kill();
    const answer = withdraw(id, 80, 'dying');
    await eventually(async () => (await types(id)).includes('update_accepted'), { what: 'it is accepted' });
    worker = stack.worker({ wallet });
    expect(await answer).toBe(20);
    expect(await close(id)).toBe(20);
    expect((await types(id)).filter((type) => type === 'step_completed')).toHaveLength(1);
    expect((await runs.replayRun({ id })).same).toBe(true);
  });

  test('takes many at once one after another, and never more than it has', async () => {
    stack.worker({ wallet });
    const id = await started(50);
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => withdraw(id, 10)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect(await close(id)).toBe(0);
  });

  test('has its own clear answers to what nobody can do', async () => {
    stack.worker({ wallet });
    await expect(query('run_none')).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(withdraw('run_none', 1)).rejects.toMatchObject({ code: 'run.not_found' });
    const id = await started();
    await close(id);
    await expect(runs.sendMessage({ id, message: 'close' })).rejects.toMatchObject({ code: 'run.ended' });
    const send = { message: 'close', idempotencyKey: 'k' };
    const again = { workflow: 'wallet', id, input: json(100), onConflict: 'attach', send };
    await expect(runs.startRun(again)).rejects.toMatchObject({ code: 'run.ended' });
    const only = (actions: string[]) => stack.runs({ grant: [{ type: 'writ', actions, resources: ['*'] }] });
    await expect(only(['run.start']).startRun({ ...again, id: 'other' })).rejects.toMatchObject({
      code: 'auth.missing_capability',
    });
  });
});

test('a message that no code takes, or that is too large, is refused', async () => {
  stack.worker({ wallet }, { messages: ['close'] });
  const id = await started();
  expect(await query(id)).toBe(100);
  const unknown = { code: 'run.unknown_message' };
  await expect(runs.sendMessage({ id, message: 'clsoe' })).rejects.toMatchObject(unknown);
  await expect(runs.startRun({ workflow: 'wallet', send: { message: 'clsoe' } })).rejects.toMatchObject(unknown);
  const data = json('x'.repeat(5 * 1024 * 1024));
  await expect(runs.sendMessage({ id, message: 'close', data })).rejects.toMatchObject({ code: 'request.too_large' });
  expect(await close(id)).toBe(100);
});

test('a message goes with a start, in one commit, and once under its key', async () => {
  stack.worker({ wallet });
  const send = { message: 'close', idempotencyKey: 'once' };
  const request = { workflow: 'wallet', id: 'with-message', input: json(7), onConflict: 'attach', send };
  const [first, second] = [await runs.startRun(request), await runs.startRun(request)];
  expect([first.position, second.position]).toEqual([first.position, first.position]);
  expect(read((await runs.getRunResult({ id: 'with-message', wait })).result)).toBe(7);
  expect((await types('with-message')).filter((type) => type === 'message_received')).toHaveLength(1);
});

test('children are waited for together with one wake-up, and cancelled with all below them', async () => {
  verifies('run.joined');
  const worker = stack.worker({
    leaf: async (ctx, n: number) => (n < 3 ? n : ctx.wait('never')),
    middle: async (ctx, n: number) => ctx.result(await ctx.start('leaf', n)),
    root: async (ctx, need: number) => {
      const children: string[] = [];
      for (let n = 0; n < 4; n++) children.push(await ctx.start('middle', n));
      const ends = await ctx.join(children, need);
      return need === 4 ? ends : ctx.join(children, 4);
    },
  });
  const { id } = await runs.startRun({ workflow: 'root', input: json(3) });
  await eventually(
    async () => (await runs.getRun({ id })).run?.waitingOn === 'all of 4 children (3 succeeded, 0 did not)',
    { what: 'it waits for the last one' },
  );
  const journal = (await types(id)).filter((type) => type === 'waiting' || type === 'child_ended');
  expect(journal).toHaveLength(5);
  expect(worker.activated.filter(({ runId }) => runId === id)).toHaveLength(1);
  const receipt = await runs.cancelRun({ id, reason: 'enough' });
  const below = (await stack.allEvents()).flatMap(({ type, subject, data }) =>
    type === 'run.cancelled.v1' && (data as { reason: string }).reason.includes('enough') ? [subject] : [],
  );
  expect(below).toHaveLength(3);
  expect(receipt.stopped).toEqual(expect.arrayContaining(below.filter((run) => run !== id)));
  expect(receipt.outcomeUnknown).toEqual([]);
  expect((await runs.getRun({ id })).run?.state).toBe(RunState.CANCELLED);
});
