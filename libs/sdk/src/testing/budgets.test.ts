import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { workflow, type Amount, type Limits } from '../index.js';
import { testWrit } from '../testing.js';

const think = workflow({
  name: 'think',
  run: async (ctx) =>
    ctx.step('think', async ({ spend }) => {
      const held = await spend({ tokens: 100, usd: 0.01 });
      await held.settle({ tokens: 60, usd: 0.004 });
      return 'thought';
    }),
});
const search = workflow({
  name: 'search',
  run: async (ctx) => [await ctx.call('web/search', { q: 1 }), await ctx.call('web/search', { q: 2 })],
});
const endless = workflow({
  name: 'endless',
  run: async (ctx): Promise<unknown> => (await ctx.start(endless as never, undefined as never)).result(),
});
const tree = workflow({
  name: 'tree',
  run: async (ctx) => {
    const child = await ctx.start(think, undefined, { limits: { tokens: 100, children: 0 } });
    return [await child.result(), await (await ctx.start(think, undefined)).result()];
  },
});
const slow = workflow({ name: 'slow', run: (ctx) => ctx.sleep('1h') });

async function started(def: typeof think | typeof search | typeof tree | typeof slow, limits: Limits) {
  const t = testWrit({ workflows: [think, search, endless, tree, slow] });
  t.mock('web/search', ({ q }: { q: number }) => `found ${q}`);
  const run = await t.start(def as typeof think, undefined, { limits });
  /** The approval that somebody is asked for, or how the run ended. */
  const asked = async () => {
    for await (const { type, subject } of run)
      if (type === 'approval.requested.v1' || type.startsWith('run.succeeded')) return subject;
    return '';
  };
  return { t, run, asked };
}

describe('a run with limits', () => {
  test.each<[Amount, boolean]>([
    [{ tokens: 100 }, false],
    [{ tokens: 99 }, true],
    [{ usd: 0.01 }, false],
    [{ usd: 0 }, true],
  ])('of %j spends what fits, reserved first', async (limits, asks) => {
    const { run, asked } = await started(think, limits);
    expect((await asked()).startsWith('apr_')).toBe(asks);
    if (!asks) expect(await run.result()).toBe('thought');
  });

  test('waits for a person when tool calls are used up; granted more it goes on, refused it fails', async () => {
    verifies('budget.sdk');
    const { t, run, asked } = await started(search, { toolCalls: 1 });
    const approval = await asked();
    await t.advance(0);
    await expect(run.resume()).rejects.toMatchObject({ code: 'run.budget_exhausted' });
    await t.decide(approval, 'approve', { input: { toolCalls: 1 } });
    expect(await run.result()).toEqual(['found 1', 'found 2']);
    const other = await started(search, { toolCalls: 0 });
    await other.t.decide(await other.asked(), 'deny');
    await expect(other.run.result()).rejects.toMatchObject({ code: 'run.budget_exhausted' });
  });

  test('shares them with what it starts', async () => {
    expect(await (await started(tree, { tokens: 160, children: 2 })).run.result()).toEqual(['thought', 'thought']);
    expect(await (await started(tree, { tokens: 159, children: 2 })).asked()).toMatch(/^apr_/);
    await expect((await started(tree, { tokens: 160, usd: 1 })).run.result()).rejects.toMatchObject({
      code: 'run.budget_incomplete',
    });
  });

  test.each([
    ['approve', { input: { children: 1 } }, ['thought', 'thought']],
    ['deny', {}, { code: 'run.budget_exhausted' }],
  ] as const)('waits for a person where it has none for a child: %s', async (verdict, answer, expected) => {
    const { t, run, asked } = await started(tree, { tokens: 160, children: 1 });
    await t.decide(await asked(), verdict, answer);
    const result = run.result().catch((error: unknown) => error);
    if ('code' in expected) expect(await result).toMatchObject(expected);
    else expect(await result).toEqual(expected);
  });

  test('stands still when its time is over, and goes on when it gets more', async () => {
    const { t, run, asked } = await started(slow, { time: '10m' });
    await t.advance('20m');
    const approval = await asked();
    await t.decide(approval, 'approve', { input: { time: '2h' } });
    await t.advance('1h');
    expect(await run.result()).toBeUndefined();
  });

  test('and without: a workflow that starts itself for ever is refused', async () => {
    const t = testWrit({ workflows: [endless] });
    await expect((await t.start(endless, undefined)).result()).rejects.toMatchObject({ code: 'run.too_deep' });
  });

  test.each([{ usd: -1 }, { tokens: 0.5 }])('of %j is refused before it starts', async (limits) => {
    await expect(started(think, limits)).rejects.toMatchObject({ code: 'input.invalid' });
  });
});
