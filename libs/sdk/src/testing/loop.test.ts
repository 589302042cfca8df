import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { WritError } from '../errors/errors.js';
import { workflow } from '../define/workflow.js';
import { isLong } from '../run/loop.js';
import { testWrit, type TestWritOptions } from './test-writ.js';

const code = (error: unknown) => (WritError.is(error) ? error.code : error);
const eventTypes = async (run: AsyncIterable<{ type: string }>) => {
  const types: string[] = [];
  for await (const { type } of run) types.push(type);
  return types;
};

// Rebuilt at every entry a loop begins a generation with every turn.
describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('a loop, in %s', (_, mode) => {
  const writ = (options: TestWritOptions) => testWrit({ ...options, ...mode });

  test('goes on with its state, and ends with what a turn says is done', async () => {
    verifies('sdk.loop');
    const sums = workflow({
      name: 'sums',
      input: z.number(),
      async run(ctx, last) {
        const first = await ctx.step('first', () => 10);
        const sum = await ctx.loop({ at: 1, sum: first }, async ({ at, sum }) => {
          const more = await ctx.step('double', () => at * 2);
          await ctx.sleep('1h');
          return at === last ? { done: sum + more } : { next: { at: at + 1, sum: sum + more } };
        });
        return ctx.step('last', () => sum + 1);
      },
    });
    await using t = writ({ workflows: [sums] });
    const run = await t.start(sums, 5);
    await t.advance('6h');
    expect(await run.result()).toBe(41);
    await t.replay(t.history(run.id), sums);
  });

  test('keeps the rest of its run: messages, a sleep beside it, children', async () => {
    const part = workflow({ name: 'part', messages: { go: z.number() }, run: (ctx) => ctx.wait('go') });
    const boss = workflow({
      name: 'boss',
      messages: { add: z.number(), end: z.string() },
      async run(ctx) {
        const alarm = ctx.sleep('10h').then(() => 'rung');
        const heard = await ctx.loop([] as number[], async (heard) => {
          const id = 'part-of-boss';
          const child = await ctx.start(part, undefined, { id, onConflict: 'attach' });
          const next = [...heard, await ctx.wait('add')];
          if (next.length < 4) return { next };
          await child.send('go', 7);
          return { done: [...next, await child.result()] };
        });
        return [...heard, await alarm];
      },
    });
    await using t = writ({ workflows: [boss, part] });
    const run = await t.start(boss, undefined);
    for (const value of [1, 2, 3, 4]) await run.send('add', value);
    await t.advance('11h');
    expect(await run.result()).toEqual([1, 2, 3, 4, 7, 'rung']);
  });

  test('may stand in another one, and beside another one', async () => {
    const grid = workflow({
      name: 'grid',
      async run(ctx) {
        const table = (name: string) =>
          ctx.loop([] as string[], async (rows) => {
            const row = await ctx.loop('', async (cells) => {
              const cell = await ctx.step('cell', () => `${name}${rows.length}${cells.length}`);
              return cells.length >= 4 ? { done: cells + cell } : { next: cells + cell.slice(-1) };
            });
            return rows.length === 2 ? { done: [...rows, row] } : { next: [...rows, row] };
          });
        return Promise.all([table('a'), table('b')]);
      },
    });
    await using t = writ({ workflows: [grid] });
    const rows = (name: string) => [0, 1, 2].map((row) => `0123${name}${row}4`);
    expect(await (await t.start(grid, undefined)).result()).toEqual([rows('a'), rows('b')]);
  });

  test('takes back what the turn did that fails, and no turn that is over', async () => {
    const undone: number[] = [];
    const saga = workflow({
      name: 'saga',
      run: (ctx) =>
        ctx.loop(1, async (at) => {
          await ctx.step('book', () => at, { undo: async (value) => void undone.push(value) });
          if (at === 3) throw new WritError('full', { code: 'full' });
          return { next: at + 1 };
        }),
    });
    await using t = writ({ workflows: [saga] });
    const run = await t.start(saga, undefined);
    expect(code(await run.result().catch((error: unknown) => error))).toBe('full');
    expect(undone).toEqual([3]);
  });

  test('draws other random values in each turn, whatever was drawn before', async () => {
    const drawn: string[] = [];
    const draws = workflow({
      name: 'draws',
      run: (ctx) =>
        ctx.loop(1, async (at) => {
          const id = ctx.crypto.randomUUID();
          await ctx.step('draw', () => drawn.push(id));
          return at === 3 ? { done: id } : { next: at + 1, checkpoint: true };
        }),
    });
    await using t = writ({ workflows: [draws] });
    const run = await t.start(draws, undefined, { id: 'draws' });
    expect(await run.result()).toBe(drawn[2]);
    expect(new Set(drawn).size).toBe(3);
  });

  test('ends with the run that is cancelled', async () => {
    const forever = workflow({
      name: 'forever',
      messages: { tick: z.number() },
      run: (ctx) => ctx.loop(0, async (sum) => ({ next: sum + (await ctx.wait('tick')) })),
    });
    await using t = writ({ workflows: [forever] });
    const run = await t.start(forever, undefined);
    await run.send('tick', 1);
    await t.advance('1s');
    await run.cancel();
    expect(code(await run.result().catch((error: unknown) => error))).toBe('run.cancelled');
  });
});

test('a generation begins by hand, and what was before is in the history no more', async () => {
  const pages = workflow({
    name: 'pages',
    run: (ctx) =>
      ctx.loop(1, async (page) => {
        await ctx.step('read', () => 'x'.repeat(100));
        return page === 50 ? { done: page } : { next: page + 1, checkpoint: page % 10 === 0 };
      }),
  });
  await using t = testWrit({ workflows: [pages] });
  const run = await t.start(pages, undefined);
  expect(await run.result()).toBe(50);
  expect((await eventTypes(run)).filter((type) => type === 'run.continued.v1')).toHaveLength(4);
  expect(t.history(run.id).journal).toHaveLength(11);
  await t.replay(t.history(run.id), pages);
});

test('the engine begins one when the journal is long, and never writes more state than journal', () => {
  expect(isLong({ entries: 999, bytes: 300_000, stateBytes: 0 })).toBe(false);
  expect(isLong({ entries: 1_000, bytes: 300_000, stateBytes: 0 })).toBe(true);
  expect(isLong({ entries: 10, bytes: 2_000_000, stateBytes: 0 })).toBe(true);
  expect(isLong({ entries: 5_000, bytes: 1_500_000, stateBytes: 1_600_000 })).toBe(false);
});

test.each<[string, string, Parameters<typeof workflow>[0]['run']]>([
  [
    'a state that cannot be kept',
    'codec.unsupported',
    (ctx) => ctx.loop(null as unknown, async () => ({ next: () => 1 })),
  ],
  ['a turn that gives nothing', 'input.invalid', (ctx) => ctx.loop(0, (async () => undefined) as never)],
  ['a name that looks like one of a turn', 'input.invalid', (ctx) => ctx.step('loop[1]/a', () => 1)],
  [
    'a loop inside a step',
    'run.nested',
    (ctx) => ctx.step('a', () => ctx.loop(0, async () => ({ done: 1 })), { retry: { attempts: 1 } }),
  ],
])(/* prettier-ignore */ '%s fails with %s', async (_, expected, run) => {
  const wrong = workflow({ name: 'wrong', run });
  await using t = testWrit({ workflows: [wrong] });
  expect(code(await (await t.start(wrong, undefined)).result().catch((error: unknown) => error))).toBe(expected);
});

test('one message has one taker: a loop, or what stands beside it', async () => {
  const two = workflow({
    name: 'two',
    messages: { m: z.number() },
    async run(ctx) {
      const beside = ctx.wait('m');
      return ctx.loop(0, async () => ({ done: [await ctx.wait('m'), await beside] }));
    },
  });
  await using t = testWrit({ workflows: [two] });
  expect(code(await (await t.start(two, undefined)).result().catch((error: unknown) => error))).toBe('input.invalid');
});
