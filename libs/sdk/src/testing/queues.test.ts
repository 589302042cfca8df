import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { workflow } from '../define/workflow.js';
import { rest } from '../run/rest.js';
import type { QueueLimits } from './test-queues.js';
import { testWrit } from './test-writ.js';

interface Job {
  /** What its key, or its cost, is taken from. */
  of?: string | number;
  key?: string;
  priority?: number;
}

/** A queue with these limits, and a workflow that works, waits for a message, and works again; each time until it is told that it has, or at once. */
function narrow(limits: QueueLimits, alwaysReplay: boolean, atOnce = false) {
  const begun: string[] = [];
  const working = new Map<string, () => void>();
  const work = (name: string) => () => {
    begun.push(name);
    return atOnce ? undefined : new Promise<void>((done) => working.set(name, done));
  };
  const job = workflow({
    name: 'job',
    input: z.object({ of: z.union([z.string(), z.number()]) }),
    messages: { go: z.string() },
    async run(ctx) {
      await ctx.step('before', work(ctx.runId));
      await ctx.wait('go');
      await ctx.step('after', work(`${ctx.runId} again`));
    },
  });
  const t = testWrit({ workflows: [job], queues: { narrow: limits }, alwaysReplay });
  const settled = async () => {
    for (let turn = 0; turn < 20; turn++) await rest();
    return begun.join(', ');
  };
  return {
    t,
    /** What has begun so far, in this order. */
    settled,
    start: (id: string, { of = 'a', ...place }: Job = {}) => t.start(job, { of }, { id, queue: 'narrow', ...place }),
    /** It has worked. @returns what has begun by then */
    async done(name: string) {
      working.get(name)?.();
      return settled();
    },
    async go(id: string) {
      await t.run(id, job).send('go', '');
      return settled();
    },
  };
}

describe.each([false, true])('a queue with limits in a test (replaying always: %s)', (alwaysReplay) => {
  test('lets so many go on at once, the higher priority first, of the others who came first', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled, done } = narrow({ concurrency: 2 }, alwaysReplay);
    await using _ = t;
    for (const id of ['r1', 'r2', 'r3', 'r4']) await start(id, id === 'r4' ? { priority: 1 } : {});
    expect(await settled()).toBe('r1, r2');
    expect(await done('r2')).toBe('r1, r2, r4');
    expect(await done('r1')).toBe('r1, r2, r4, r3');
  });

  test('takes no slot for a run that waits, and gives it one before who has not begun', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled, done, go } = narrow({ concurrency: 1 }, alwaysReplay);
    await using _ = t;
    for (const id of ['r1', 'r2', 'r3']) await start(id);
    expect(await settled()).toBe('r1');
    expect(await done('r1')).toBe('r1, r2');
    expect(await go('r1')).toBe('r1, r2');
    expect(await done('r2')).toBe('r1, r2, r1 again');
    expect(await done('r1 again')).toBe('r1, r2, r1 again, r3');
  });

  test('holds a key from its first worker to its end, and lets no other one of it begin', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled, done, go } = narrow({ keyConcurrency: 1, key: 'of' }, alwaysReplay);
    await using _ = t;
    for (const [id, of] of [['r1', 'a'], ['r2', 'a'], ['r3', 'b'], ['r4', 'c']] as const) await start(id, { of, ...(id === 'r4' && { key: 'b' }) }); // prettier-ignore
    expect(await settled()).toBe('r1, r3');
    expect(await done('r1')).toBe('r1, r3');
    await go('r1');
    expect(await done('r1 again')).toBe('r1, r3, r1 again, r2');
  });

  test('gives keys their turns, so that none waits for the backlog of another', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled, done } = narrow({ concurrency: 1, key: 'of', shares: { c: 2 } }, alwaysReplay);
    await using _ = t;
    for (const [n, of] of ['a', 'a', 'a', 'c', 'c', 'c'].entries()) await start(`${of}${n}`, { of });
    let order = await settled();
    for (let n = 0; n < 5; n++) order = await done(order.split(', ')[n] as string);
    expect(order).toBe('a0, c3, c4, a1, c5, a2');
  });

  test('begins no more than its rates let, on virtual time', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled } = narrow({ rate: { count: 20, per: '1m' }, cost: 'of' }, alwaysReplay, true);
    await using _ = t;
    for (const id of ['r1', 'r2', 'r3', 'r4']) await start(id, { of: 10 });
    expect(await settled()).toBe('r1, r2');
    await t.advance('29s');
    expect(await settled()).toBe('r1, r2');
    await t.advance('1s');
    expect(await settled()).toBe('r1, r2, r3');
    await t.advance('30s');
    expect(await settled()).toBe('r1, r2, r3, r4');
  });

  test('refuses a run without a key where keys have limits, and ends one at once that is cancelled in its line', async () => {
    verifies('sdk.test_queues');
    const { t, start, settled, done } = narrow({ concurrency: 1, keyRate: { count: 1, per: '1s' } }, alwaysReplay);
    await using _ = t;
    await expect(start('r0')).rejects.toMatchObject({ code: 'queue.no_key' });
    await start('r1', { key: 'a' });
    const second = await start('r2', { key: 'b' });
    expect(await second.cancel()).toMatchObject({ stopped: [] });
    await expect(second.result()).rejects.toMatchObject({ code: 'run.cancelled' });
    expect(await settled()).toBe('r1');
    expect(await done('r1')).toBe('r1');
  });
});
