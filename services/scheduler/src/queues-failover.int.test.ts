import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { RunState } from '@writ/proto/run/v1/run';
import { eventually, verifies } from '@writ/testkit';
import type { TestContext } from './testing/test-context.js';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const wait = { seconds: 60n, nanos: 0 };
/** Clocks of processes differ by so much at most. */
const skewMs = 20;
const queues = ['q0', 'q1', 'q2', 'q3', 'q4', 'q5'];
const each = 10;
const slots = 3;
const rate = { count: 6, periodMs: 3_000 };

interface Held {
  run: string;
  key: string;
  fromMs: number;
  slotUntilMs: number;
  keyUntilMs: number;
}

/** What runs of a queue had of it, as the ledger has it. */
function heldIn(events: readonly LedgerEvent[], queue: string): Held[] {
  const keys = new Map<string, string>();
  const held: Held[] = [];
  for (const { type, subject: run, data, time } of events) {
    const ms = Date.parse(time);
    const started = data as { queue?: string; ticket?: { key: string } };
    if (type === 'run.started.v1' && started.queue === queue) keys.set(run, started.ticket?.key ?? '');
    const key = keys.get(run);
    if (key === undefined) continue;
    const has = held.filter((one) => one.run === run);
    if (type === 'run.admitted.v1') held.push({ run, key, fromMs: ms, slotUntilMs: Infinity, keyUntilMs: Infinity });
    if (type === 'run.parked.v1') has.at(-1)!.slotUntilMs = Math.min(has.at(-1)!.slotUntilMs, ms);
    if (type !== 'run.succeeded.v1') continue;
    for (const one of has) Object.assign(one, { slotUntilMs: Math.min(one.slotUntilMs, ms), keyUntilMs: ms });
  }
  return held;
}

/** The most that were held at one moment. */
function most(held: readonly Held[], until: 'slotUntilMs' | 'keyUntilMs'): number {
  const at = (ms: number) =>
    new Set(held.filter((one) => one.fromMs <= ms && one[until] - skewMs > ms).map(({ run }) => run)).size;
  return Math.max(0, ...held.map(({ fromMs }) => at(fromMs)));
}

describe('limits of queues', () => {
  test('hold while a scheduler is killed that owns runs and slots of them, and everybody goes on', async () => {
    verifies('queue.concurrency', 'queue.rate');
    const flow = async (ctx: TestContext, { n }: { n: number }) => {
      await ctx.step('work', () => new Promise<void>((resolve) => setTimeout(resolve, 60)));
      await ctx.sleep(40);
      return ctx.step('more', () => new Promise<number>((resolve) => setTimeout(resolve, 60, n)));
    };
    for (const name of queues)
      await stack.queues().setQueue({ name, limits: { concurrency: slots, keyConcurrency: 2, key: 'k' } });
    const timed = { count: rate.count, period: { seconds: 3n, nanos: 0 } };
    await stack.queues().setQueue({ name: 'timed', limits: { rate: timed } });
    const victim = await stack.addProcess();
    for (const queue of [...queues, 'timed']) stack.worker({ flow }, { queue, concurrency: 50 });
    const items = [...queues.flatMap((queue) => Array.from({ length: each }, () => queue)), ...Array.from({ length: 14 }, () => 'timed')]
      .map((queue, n) => ({ workflow: 'flow', queue, input: json({ n, k: `k${n % 3}` }) })); // prettier-ignore
    const ids = (await stack.runs().startRuns({ items })).items.map(({ outcome }) =>
      outcome.case === 'run' ? outcome.value.id : '',
    );
    const ended = async () => (await stack.allEvents()).filter(({ type }) => type === 'run.succeeded.v1').length;
    await eventually(async () => (await ended()) >= 10, { timeoutMs: 20_000 });
    expect(await ended()).toBeLessThan(ids.length);
    await victim.kill();
    const results = await Promise.all(ids.map((id) => stack.runs().getRunResult({ id, wait })));
    expect(results.map(({ state }) => state)).toEqual(ids.map(() => RunState.SUCCEEDED));
    const events = await stack.allEvents();
    for (const queue of queues) {
      const held = heldIn(events, queue);
      expect(new Set(held.map(({ run }) => run)).size).toBe(each);
      expect(most(held, 'slotUntilMs')).toBeLessThanOrEqual(slots);
      for (const key of ['k0', 'k1', 'k2'])
        expect(
          most(
            held.filter((one) => one.key === key),
            'keyUntilMs',
          ),
        ).toBeLessThanOrEqual(2);
    }
    const begun = heldIn(events, 'timed').map(({ fromMs }) => fromMs).sort((a, b) => a - b); // prettier-ignore
    for (const [from, fromMs] of begun.entries())
      for (const [to, toMs] of begun.slice(from).entries())
        expect(to + 1).toBeLessThanOrEqual(rate.count * (1 + (toMs - fromMs + skewMs) / rate.periodMs));
  }, 90_000);
});
