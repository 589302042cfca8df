import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import type { TestWorker } from './testing/test-worker.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const wait = { seconds: 60n, nanos: 0 };
const count = 32;
/** Five steps with a sleep between, so that at any moment most runs are somewhere in the middle. */
const steps = async (ctx: TestContext, n: number) => {
  let sum = n;
  for (let i = 0; i < 5; i++) {
    sum += await ctx.step(`step ${i}`, () => i);
    await ctx.sleep(50);
  }
  return sum;
};

/** Whoever asked waits at one replica for what a run of the other does. */
const wallet = async (ctx: TestContext, balance: number) => {
  let left = balance;
  ctx.handle('withdraw', async (cents) => {
    await ctx.step('pay', () => new Promise((resolve) => setTimeout(resolve, 200, cents)));
    return (left -= cents as number);
  });
  await ctx.wait('close');
  return left;
};
const family = async (ctx: TestContext) => {
  const children: string[] = [];
  for (let n = 0; n < 4; n++) children.push(await ctx.start('steps', n));
  return ctx.join(children, 4);
};

async function startWallets() {
  const runs = stack.runs({}, 0);
  const started = async (workflow: string) => (await runs.startRun({ workflow, input: json(100) })).id;
  const wallets = await Promise.all(Array.from({ length: 12 }, () => started('wallet')));
  const families = await Promise.all(Array.from({ length: 4 }, () => started('family')));
  /** As a client does, which asks again under the same key where no owner was found in time. */
  const answerOf = async (id: string): Promise<unknown> => {
    const update = { id, update: 'withdraw', data: json(80), idempotencyKey: 'once', wait };
    const { done, answer } = await runs.updateRun(update).catch((error: { code: string }) => {
      if (error.code === 'ledger.unavailable') return { done: false, answer: undefined };
      throw error;
    });
    return done ? read(answer) : answerOf(id);
  };
  return { wallets, families, answers: Promise.all(wallets.map(answerOf)) };
}

/** No answer was lost, no update was done twice, nobody waits for a child that has ended. */
async function expectAnswers({ wallets, families, answers }: Awaited<ReturnType<typeof startWallets>>) {
  const runs = stack.runs({}, 0);
  expect(await answers).toEqual(wallets.map(() => 20));
  await Promise.all(wallets.map((id) => runs.sendMessage({ id, message: 'close' })));
  const ended = await Promise.all([...wallets, ...families].map((id) => runs.getRunResult({ id, wait })));
  expect(ended.slice(0, wallets.length).map(({ result }) => read(result))).toEqual(wallets.map(() => 20));
  expect(ended.map(({ state }) => state)).toEqual(ended.map(() => RunState.SUCCEEDED));
  const events = await stack.allEvents();
  const count = (run: string, type: string) =>
    events.filter((event) => event.subject === run && event.type === type).length;
  for (const id of wallets)
    expect([count(id, 'run.update_accepted.v1'), count(id, 'run.step_completed.v1')]).toEqual([1, 1]);
  expect(families.map((id) => count(id, 'run.child_ended.v1'))).toEqual([4, 4, 4, 4]);
}

async function startAll(at: number) {
  const runs = stack.runs({}, at);
  return Promise.all(
    Array.from({ length: count }, async (_, i) => (await runs.startRun({ workflow: 'steps', input: json(i) })).id),
  );
}

/** The worker has had each of these runs; one whose partition changed hands meanwhile comes twice. */
const allBegun = (worker: TestWorker, ids: readonly string[]) =>
  eventually(() => new Set(worker.activated.map(({ runId }) => runId)).size === ids.length, { timeoutMs: 20_000 });

/** Every run has succeeded; the result is its input and `more`. */
async function expectResults(ids: readonly string[], at: number, more: number) {
  const runs = stack.runs({}, at);
  const results = await Promise.all(ids.map((id) => runs.getRunResult({ id, wait })));
  expect(results.map(({ state, result }) => [state, read(result)])).toEqual(
    ids.map((_, i) => [RunState.SUCCEEDED, more + i]),
  );
}

/** Every run has ended with the right result, and has each of its steps in the ledger once. */
async function expectAllRight(ids: readonly string[], at: number) {
  await expectResults(ids, at, 10);
  for (const id of ids) {
    const names = (await stack.events(id)).flatMap(({ type, data }) =>
      type === 'run.step_completed.v1' ? [(data as { name: string }).name] : [],
    );
    expect(names).toEqual(['step 0', 'step 1', 'step 2', 'step 3', 'step 4']);
  }
}

describe('a scheduler', () => {
  test('that is killed loses nothing: the other takes its partitions and its workers, nothing is recorded twice', async () => {
    verifies('scheduler.failover', 'run.answers_survive');
    const victim = await stack.addProcess();
    const code = { steps, wallet, family };
    stack.worker(code, { at: 0 });
    await stack.worker(code, { at: 1 }).welcomed;
    const ids = await startAll(0);
    const asked = await startWallets();
    await eventually(async () => (await stack.allEvents()).some(({ type }) => type === 'run.update_accepted.v1'));
    await victim.kill();
    await expectAllRight(ids, 0);
    await expectAnswers(asked);
  }, 90_000);

  test('that is killed and started again takes its share back while runs are under way, and they go on', async () => {
    verifies('scheduler.failover');
    const mixed = async (ctx: TestContext, n: number) => {
      const first = await ctx.step('first', () => n);
      if (n % 3 === 0) await ctx.sleep(6_000);
      if (n % 3 === 1) await ctx.step('long', () => new Promise((resolve) => setTimeout(resolve, 6_000, null)));
      return first + Number(await ctx.wait('add'));
    };
    const victim = await stack.addProcess();
    const there = stack.worker({ mixed }, { at: stack.schedulers.length - 1 });
    await there.welcomed;
    const runs = stack.runs({}, 0);
    const ids = await Promise.all(
      Array.from({ length: 96 }, async (_, i) => (await runs.startRun({ workflow: 'mixed', input: json(i) })).id),
    );
    await allBegun(there, ids);
    await victim.kill();
    there.kill();
    stack.worker({ mixed }, { at: 0 });
    await stack.addProcess();
    await Promise.all(ids.map((id) => runs.sendMessage({ id, message: 'add', data: json(100) })));
    await expectResults(ids, 0, 100);
  }, 120_000);

  test('that was paused past its lease and goes on finds that it is deposed, and its workers are told', async () => {
    verifies('scheduler.failover');
    const paused = await stack.addProcess();
    const at = stack.schedulers.length - 1;
    const there = stack.worker({ steps }, { at });
    await there.welcomed;
    stack.worker({ steps }, { at: 0 });
    const ids = await startAll(0);
    await eventually(async () => (await stack.events(ids[0] as string)).length > 3);
    paused.send('SIGSTOP');
    await expectAllRight(ids, 0);
    paused.send('SIGCONT');
    await eventually(() => there.runs.size === 0, { timeoutMs: 20_000 });
    const more = await startAll(at);
    await expectAllRight(more, at);
  }, 120_000);

  test('that hangs keeps nothing: what its worker had of the partitions of another goes on with a worker there', async () => {
    verifies('scheduler.failover');
    const waits = async (ctx: TestContext, n: number) => {
      const first = await ctx.step('first', () => n);
      if (n % 2 === 0) await ctx.step('hangs', () => new Promise((resolve) => setTimeout(resolve, 1_000, null)));
      return first + Number(await ctx.wait('add'));
    };
    const hung = await stack.addProcess();
    const there = stack.worker({ waits }, { at: stack.schedulers.length - 1 });
    await there.welcomed;
    const runs = stack.runs({}, 0);
    const ids = await Promise.all(
      Array.from({ length: count }, async (_, i) => (await runs.startRun({ workflow: 'waits', input: json(i) })).id),
    );
    await allBegun(there, ids);
    hung.send('SIGSTOP');
    stack.worker({ waits }, { at: 0 });
    await Promise.all(ids.map((id) => runs.sendMessage({ id, message: 'add', data: json(100) })));
    await expectResults(ids, 0, 100);
    hung.send('SIGCONT');
    await eventually(() => there.runs.size === 0, { timeoutMs: 20_000 });
  }, 120_000);
});
