import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import { json, read, SchedulerStack } from './testing/scheduler-stack.js';
import { Kind, type OutgoingCommand, type TestWorker } from './testing/test-worker.js';

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

const never = () => new Promise<never>(() => {});
const value = (data: unknown) => ({ value: { case: 'json' as const, value: json(data).data } });
const step = (name: string, data: unknown): OutgoingCommand => ({
  kind: Kind.STEP,
  name,
  occurrence: 1,
  what: { case: 'completed', value: value(data) },
});
const wait = (name: string, message: string): OutgoingCommand => ({
  kind: Kind.MESSAGE,
  name,
  occurrence: 1,
  what: { case: 'wait', value: { message } },
});
const loop = (turn: number, state: unknown): OutgoingCommand => ({
  kind: Kind.LOOP,
  name: 'loop',
  occurrence: 1,
  what: { case: 'loop', value: { turn, state: value(state) } },
});
const attemptOf = async (worker: TestWorker) => eventually(() => worker.activated[0]);
const recorded = (id: string, last: string) =>
  eventually(async () => (await stack.events(id)).some(({ data }) => (data as { name?: string }).name === last));

test('a run with a loop is rebuilt from its newest generation, by its scheduler and by the one after it', async () => {
  verifies('scheduler.generations');
  const first = stack.worker({ agent: never });
  const { id } = await runs.startRun({ workflow: 'agent', input: json(null) });
  for (const n of [1, 2, 3]) await runs.sendMessage({ id, message: 'say', data: json(n) });
  const { attempt } = await attemptOf(first);
  // All steps, 20 loops, two messages: it never says that it has taken the last, so the run goes to another worker.
  first.onEntry = (seen) => seen === 1002 + 20 + 2 && first.kill();
  const large = 'x'.repeat(100_000);
  first.report({ attempt, commands: [step('before', 1)] });
  for (let turn = 1; turn <= 20; turn++) {
    const turns = Array.from({ length: 50 }, (_, at) => step(`loop[${turn}]/s${at}`, at));
    const said = turn === 1 ? [wait('loop[1]/say', 'say')] : [];
    first.report({ attempt, commands: [...turns, ...said] });
    first.report({ attempt, commands: [loop(turn + 1, { turn, large })] });
  }
  first.report({ attempt, commands: [step('loop[21]/a', 1), wait('loop[21]/say', 'say')] });
  await recorded(id, 'loop[21]/say');
  await first.closed.catch(() => undefined);

  const isRebuilt = async () => {
    const next = stack.worker({ agent: never });
    next.onActivate = () => next.kill(); // this test is the function: the worker has none that takes its way
    const { journal, journalLength, pending } = await attemptOf(next);
    expect(journal.map(({ name, outcome }) => `${name} ${outcome.case}`)).toEqual([
      'before completed',
      'loop loop',
      'loop[21]/a completed',
      'loop[21]/say completed',
    ]);
    expect([journalLength, pending]).toEqual([4, []]);
    const [, at, , said] = journal.map(({ outcome }) => outcome);
    expect(at).toMatchObject({ value: { turn: 21, state: { value: { case: 'blob' } } } });
    expect(
      said?.case === 'completed' && said.value.value.case === 'json' && read({ data: said.value.value.value }),
    ).toBe(2);
  };
  await isRebuilt();
  await stack.schedulers.pop()?.stop();
  await stack.addScheduler();
  runs = stack.runs();
  await isRebuilt();
  await runs.cancelRun({ id, force: true });
  expect(await runs.getRunResult({ id })).toMatchObject({ state: RunState.CANCELLED });
  // The record has it all; the end names no more commits than a rebuild reads.
  const events = await stack.events(id);
  expect(events.filter(({ type }) => type === 'run.step_completed.v1')).toHaveLength(1002);
  expect((events.at(-1)?.data as { journal: number[] }).journal.length).toBeLessThan(10);
}, 60_000);
