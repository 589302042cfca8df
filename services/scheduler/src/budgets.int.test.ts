import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { RecordedError } from './testing/run-values.js';
import type { TestContext } from './testing/test-context.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
let runs: ReturnType<SchedulerStack['runs']>;
let budgets: ReturnType<SchedulerStack['budgets']>;
beforeAll(async () => {
  stack = await SchedulerStack.start();
  runs = stack.runs();
  budgets = stack.budgets();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const wait = { seconds: 20n, nanos: 0 };
const start = async (workflow: string, limits: object, input: unknown = null) =>
  (await runs.startRun({ workflow, input: json(input), limits })).id;
const result = async (id: string) => {
  const { state, result: value, error } = await runs.getRunResult({ id, wait });
  return error ? { state, code: error.code } : { state, value: read(value) };
};
const budgetOf = async (id: string) => (await runs.getRun({ id })).run?.budget;
const waitingOn = async (id: string) => (await runs.getRun({ id })).run?.waitingOn;

/** A step that reserves so many tokens, spends them, and says so. */
const spending = (ctx: TestContext, name: string, tokens: bigint, used = tokens) =>
  ctx.step(name, async (attempt) => {
    const about = { id: ctx.runId, reservation: `${name}/${attempt}` };
    await budgets
      .reserveBudget({ ...about, amount: { tokens } })
      .catch((error: { code: string; message: string; details: object }) => {
        throw new RecordedError(error);
      });
    await budgets.settleBudget({ ...about, used: { tokens: used } });
    return Number(used);
  });

test('a tree of runs spends no more than its root has; a person grants more, and what stood still goes on', async () => {
  verifies('budget.tree');
  const tree = {
    root: async (ctx: TestContext) => {
      const own = await ctx.start('leaf', 60, { limits: { tokens: 60n, children: 0n } });
      const shared = await ctx.start('leaf', 30);
      return [await ctx.result(own), await ctx.result(shared), await spending(ctx, 'last', 50n)];
    },
    leaf: (ctx: TestContext, tokens: number) => spending(ctx, 'think', BigInt(tokens), BigInt(tokens / 2)),
  };
  stack.worker(tree);
  const id = await start('root', { tokens: 90n, children: 2n });
  // 30 and 15 are used, so 50 do not fit into the 45 that are left.
  await eventually(async () => (await waitingOn(id))?.includes('run.budget_exhausted'));
  const before = await budgetOf(id);
  expect(before).toMatchObject({
    account: id,
    limits: { tokens: 90n, children: 2n },
    used: { tokens: 45n, children: 2n },
    reserved: { tokens: 0n },
  });
  expect(before?.children.map(({ used }) => used?.tokens).sort()).toEqual([15n, 30n]);
  await expect(runs.resumeRun({ id })).rejects.toMatchObject({ code: 'run.budget_exhausted' });
  await stack.stopWorkers();
  stack.worker(tree);
  await budgets.addBudget({ id, add: { tokens: 10n } });
  expect(await result(id)).toEqual({ state: RunState.SUCCEEDED, value: [30, 15, 50] });
  expect(await eventually(async () => (await budgetOf(id))?.used?.tokens)).toBe(95n);
});

test('a person who is asked grants more, or no more', async () => {
  const work = {
    grant: (ctx: TestContext) => spending(ctx, 'think', 5n),
    parent: async (ctx: TestContext) => ctx.result(await ctx.start('grant', null)),
  };
  stack.worker(work);
  const [granted, refused] = [await start('grant', { tokens: 0n }), await start('grant', { tokens: 0n })];
  const childless = await start('parent', { tokens: 5n, children: 0n });
  const asked = (id: string) => eventually(async () => (await budgetOf(id))?.approvalId || undefined);
  await stack.decide(await asked(granted), { verdict: 'approve', by: 'psn_1', value: { tokens: 7 } });
  await stack.decide(await asked(refused), { verdict: 'deny', by: 'psn_1' });
  expect(await result(granted)).toEqual({ state: RunState.SUCCEEDED, value: 5 });
  expect(await result(refused)).toEqual({ state: RunState.FAILED, code: 'run.budget_exhausted' });
  await stack.decide(await asked(childless), { verdict: 'approve', by: 'psn_1' });
  expect(await result(childless)).toEqual({ state: RunState.SUCCEEDED, value: 5 });
});

test('a run whose time is over stands still, for a new owner too, until it gets more', async () => {
  verifies('budget.time');
  const work = { slow: (ctx: TestContext) => ctx.sleep(700) };
  stack.worker(work);
  const id = await start('slow', { time: { seconds: 0n, nanos: 200_000_000 } });
  await eventually(async () => (await waitingOn(id)) === 'budget: its time is over');
  await stack.schedulers.splice(0, 1)[0]?.stop();
  await stack.addScheduler();
  [runs, budgets] = [stack.runs(), stack.budgets()];
  stack.worker(work);
  expect(await eventually(() => waitingOn(id).catch(() => undefined))).toBe('budget: its time is over');
  await budgets.addBudget({ id, add: { time: { seconds: 60n } } });
  expect(await result(id)).toMatchObject({ state: RunState.SUCCEEDED });
});

test('nobody spends or adds who may not', async () => {
  verifies('budget.not_yours');
  stack.worker({ hold: (ctx: TestContext) => ctx.wait('go') });
  const id = await start('hold', { tokens: 5n });
  const about = { id, reservation: 'x', amount: { tokens: 1n } };
  await expect(stack.budgets({ principal: 'agt_other' }).reserveBudget(about)).rejects.toMatchObject({
    code: 'run.not_found',
  });
  await expect(stack.budgets({ run: id }).addBudget({ id, add: { tokens: 1n } })).rejects.toMatchObject({
    code: 'auth.missing_capability',
  });
  await expect(runs.startRun({ workflow: 'hold', limits: { tokens: -1n } })).rejects.toMatchObject({
    code: 'request.invalid',
  });
});
