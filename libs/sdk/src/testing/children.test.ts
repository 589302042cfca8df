import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { FatalError, workflow, type Run } from '../index.js';
import { testWrit } from '../testing.js';

const child = workflow({
  name: 'child',
  input: z.object({ n: z.number(), after: z.string().optional() }),
  async run(ctx, { n, after }) {
    if (after) await ctx.sleep(after as '1s');
    if (n < 0) throw new FatalError(`${n} is negative`, { code: 'child.negative' });
    return n;
  },
});
/** Starts a child for each number, which is so many seconds later; a negative one fails. */
const parent = workflow({
  name: 'parent',
  input: z.object({ numbers: z.array(z.number()), need: z.number().optional(), timeout: z.literal('2s').optional() }),
  async run(ctx, { numbers, need, timeout }) {
    const runs: Run<number>[] = [];
    for (const n of numbers) runs.push(await ctx.start(child, { n, after: `${Math.abs(n)}s` }));
    const given =
      need === undefined ? await ctx.join(runs, timeout ? { timeout } : {}) : await ctx.join(runs, { need });
    return { given, at: ctx.now.toISOString().slice(17, 19) };
  },
});

describe.each([{ alwaysReplay: false }, { alwaysReplay: true }])(
  'children that are joined, $alwaysReplay',
  (options) => {
    const run = async (input: { numbers: number[]; need?: number; timeout?: '2s' }) => {
      const t = testWrit({ workflows: [parent, child], ...options });
      const started = await t.start(parent, input);
      await t.advance('10s');
      const end = await started.result().catch((error: { code: string }) => error.code);
      const waits = t.history(started.id).journal.filter((entry) => (entry as { name: string }).name === 'join');
      expect(waits).toHaveLength(1);
      return end;
    };

    test('are all awaited by one wait, a quorum of them, or any', async () => {
      expect(await run({ numbers: [3, 1, 2] })).toEqual({ given: [3, 1, 2], at: '03' });
      expect(await run({ numbers: [3, 1, 2], need: 2 })).toEqual({ given: [undefined, 1, 2], at: '02' });
      expect(await run({ numbers: [3, 1, 2], need: 1 })).toEqual({ given: [undefined, 1, undefined], at: '01' });
      expect(await run({ numbers: [3, -1, 2], need: 0 })).toEqual({ given: [3, undefined, 2], at: '03' });
    });

    test('make it fail with the one by whose end it became impossible', async () => {
      expect(await run({ numbers: [3, -1, 2] })).toBe('child.negative');
      expect(await run({ numbers: [3, -1, 2], need: 2 })).toEqual({ given: [3, undefined, 2], at: '03' });
      expect(await run({ numbers: [-3, -1, 2], need: 2 })).toBe('child.negative');
      expect(await run({ numbers: [3, 1], timeout: '2s' })).toBe('run.result_timeout');
      expect(await run({ numbers: [3], need: 2 }).catch(() => 'input.invalid')).toBe('input.invalid');
    });
  },
);

test.each(['detach', 'cancel', 'wait'] as const)(
  'a child of a parent that ends first is to %s',
  async (onParentEnd) => {
    verifies('sdk.on_parent_end');
    const leaves = workflow({
      name: 'leaves',
      input: z.object({ fails: z.boolean() }),
      async run(ctx, { fails }) {
        const { id } = await ctx.start(child, { n: 1, after: '5s' }, { onParentEnd });
        if (fails) throw new FatalError('left', { code: 'left' });
        return id;
      },
    });
    for (const fails of [false, true]) {
      await using t = testWrit({ workflows: [leaves, child] });
      const run = await t.start(leaves, { fails });
      const order: string[] = [];
      const ends = ['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1'];
      const watching = (async () => {
        for await (const { type, subject } of t.events({ type: ends, after: 'start' })) {
          order.push(`${subject === run.id ? 'parent' : 'child'} ${type.slice(4, -3)}`);
          if (order.length === 2) return;
        }
      })();
      await t.advance('10s');
      await watching;
      const ended = `parent ${fails ? 'failed' : 'succeeded'}`;
      const expected = {
        detach: [ended, 'child succeeded'],
        cancel: [ended, 'child cancelled'],
        wait: ['child succeeded', ended],
      };
      expect(order.toSorted()).toEqual(expected[onParentEnd].toSorted());
      if (onParentEnd !== 'cancel') expect(order).toEqual(expected[onParentEnd]);
    }
  },
);
