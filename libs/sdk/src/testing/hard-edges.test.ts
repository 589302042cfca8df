/** What goes wrong in workflows that people write, each with the outcome that it must have. */
import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { workflow, type Context } from '../index.js';
import { testWrit } from '../testing.js';

/** Every entry is a replay: what is not the same twice is found at once. */
async function outcomeOf(body: (ctx: Context) => Promise<unknown>) {
  const def = workflow({ name: 'edge', run: body });
  await using t = testWrit({ workflows: [def], alwaysReplay: true });
  const run = await t.start(def, undefined);
  return await run.result().catch((error: { code: string; message: string }) => `${error.code}: ${error.message}`);
}

describe('code that is not deterministic', () => {
  const rotating = ['a', 'b', 'c'];
  const cases: [what: string, wrong: (ctx: Context) => Promise<unknown>, right: (ctx: Context) => Promise<unknown>][] = [
    ['takes the time of the clock', (ctx) => ctx.step(`at ${performance.now()}`, () => 1), (ctx) => ctx.step(`at ${ctx.now.getTime()}`, () => 1)],
    ['takes chance', (ctx) => ctx.step(`of ${Math.random()}`, () => 1), (ctx) => ctx.step(`of ${ctx.crypto.randomUUID()}`, () => 1)],
    [
      'goes through something whose order changes',
      async (ctx) => {
        rotating.push(rotating.shift() as string);
        for (const each of rotating) await ctx.step(each, () => 1);
      },
      async (ctx) => {
        for (const each of rotating.toSorted()) await ctx.step(each, () => 1);
        return 1;
      },
    ],
  ]; // prettier-ignore

  test.each(cases)('that %s is paused with the place, and what stands for it is not', async (_, wrong, right) => {
    verifies('run.not_deterministic');
    expect(await outcomeOf(async (ctx) => (await wrong(ctx), wrong(ctx)))).toMatch(/^run\.diverged: .*step /);
    expect(await outcomeOf(async (ctx) => (await right(ctx), right(ctx)))).toBe(1);
  });
});

describe('a step', () => {
  test('whose name is not unique is told apart by its turn, one after another and at once', async () => {
    verifies('run.names');
    const three = [1, 2, 3];
    expect(
      await outcomeOf(async (ctx) => {
        const values: number[] = [];
        for (const each of three) values.push(await ctx.step('same', () => each));
        return [...values, ...(await Promise.all(three.map((each) => ctx.step('same', () => each * 10))))];
      }),
    ).toEqual([1, 2, 3, 10, 20, 30]);
  });

  test.each([' ', 'a/1', 'a#1/2', 'undo x/1', 'ümläut 🐝', '__proto__', 'back\\', 'x'.repeat(256), 'cancel'])(
    'may be called %j',
    async (name) => {
      expect(
        await outcomeOf(async (ctx) => [
          await ctx.step(name, () => 1),
          await ctx.step(name, () => 2),
          await ctx.step('x', () => 3),
        ]),
      ).toEqual([1, 2, 3]);
    },
  );

  test.each(['', 'x'.repeat(257), 'turn[1]/x', 'nul \u0000', 'lone \ud800'])('cannot be called %j', async (name) => {
    expect(await outcomeOf((ctx) => ctx.step(name, () => 1))).toMatch(/^input\.invalid: /);
  });

  test('that fails with words that are no text fails all the same, with what is text of them', async () => {
    verifies('run.unfit_words');
    const fails = () => Promise.reject(new Error('exit 1: \u0000\u0001 \ud800!'));
    const failed = (ctx: Context) => ctx.step('cat', fails, { retry: { attempts: 1 } });
    expect(await outcomeOf(failed)).toBe('error: exit 1: \ufffd\u0001 \ufffd!');
  });
});
