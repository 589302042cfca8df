import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import type { Context } from '../define/context.js';
import { workflow, type Workflow } from '../define/workflow.js';
import { testWrit } from '../testing/test-writ.js';

type Body = (ctx: Context<{ go: z.ZodString }>) => Promise<unknown>;
const acts: string[] = [];
const flow = (run: Body): Workflow => workflow({ name: 'flow', messages: { go: z.string() }, run });
const act = (ctx: Parameters<Body>[0], name: string) => ctx.step(name, () => (acts.push(name), name));

/** What the recorded runs did. */
const original: Body = async (ctx) => {
  await act(ctx, 'a');
  await ctx.sleep('1d');
  await act(ctx, 'b');
  await ctx.wait('go');
  return act(ctx, 'c');
};

async function recorded(until: 'waiting' | 'ended') {
  await using t = testWrit({ workflows: [flow(original)] });
  const run = await t.start(flow(original), undefined, { id: 'r' });
  await t.advance('1d');
  if (until === 'ended') await run.send('go', 'x');
  await t.advance(0);
  const history = JSON.parse(JSON.stringify(t.history('r'))) as ReturnType<typeof t.history>;
  acts.length = 0;
  return { history, replay: (body: Body) => t.replay(history, flow(body)) };
}

describe('a strict replay', () => {
  test.each(['waiting', 'ended'] as const)(
    'of a run that is %s finds the same code the same, and performs nothing',
    async (until) => {
      const { history, replay } = await recorded(until);
      expect(history.journal.length).toBe(until === 'ended' ? 5 : 3);
      expect(await replay(original)).toEqual({ same: true });
      expect(acts).toEqual([]);
    },
  );

  test.each<[string, Body, object]>([
    [
      'a renamed step',
      async (ctx) => {
        await act(ctx, 'a');
        await ctx.sleep('1d');
        await act(ctx, 'B');
        await ctx.wait('go');
        return act(ctx, 'c');
      },
      {
        expected: { kind: 'step', name: 'b', occurrence: 1, detail: '"b"' },
        actual: { kind: 'step', name: 'B', occurrence: 1 },
      },
    ],
    [
      'a removed step',
      async (ctx) => {
        await act(ctx, 'a');
        await ctx.sleep('1d');
        await ctx.wait('go');
        return act(ctx, 'c');
      },
      { expected: { kind: 'step', name: 'b', occurrence: 1, detail: '"b"' } },
    ],
    [
      'another kind under the same name',
      async (ctx) => {
        await act(ctx, 'a');
        await act(ctx, 'sleep');
        await act(ctx, 'b');
        await ctx.wait('go');
        return act(ctx, 'c');
      },
      {
        expected: { kind: 'sleep', name: 'sleep', occurrence: 1, detail: 'fired' },
        actual: { kind: 'step', name: 'sleep', occurrence: 1 },
      },
    ],
    [
      'a step before the recorded ones',
      async (ctx) => {
        await act(ctx, 'new');
        return original(ctx);
      },
      {
        expected: { kind: 'step', name: 'a', occurrence: 1, detail: '"a"' },
        actual: { kind: 'step', name: 'new', occurrence: 1 },
      },
    ],
    [
      'an early end',
      async (ctx) => act(ctx, 'a'),
      {
        expected: { kind: 'sleep', name: 'sleep', occurrence: 1, detail: 'fired' },
        actual: { kind: 'result', name: 'end', detail: 'returned "a"' },
      },
    ],
    [
      'another result',
      async (ctx) => `${String(await original(ctx))}!`,
      { expected: { name: 'end', detail: 'returned "c"' }, actual: { name: 'end', detail: 'returned "c!"' } },
    ],
    [
      'a failure instead of a result',
      async (ctx) => {
        await original(ctx);
        throw new Error('no');
      },
      { expected: { name: 'end', detail: 'returned "c"' }, actual: { name: 'end', detail: 'failed: error: no' } },
    ],
    [
      'more steps before the end',
      async (ctx) => {
        await original(ctx);
        return act(ctx, 'd');
      },
      { expected: { name: 'end' }, actual: { kind: 'step', name: 'd', occurrence: 1 } },
    ],
    [
      'a wait for something else',
      async (ctx) => {
        await act(ctx, 'a');
        await ctx.sleep('1d');
        await act(ctx, 'b');
        await ctx.sleep('1d');
        return act(ctx, 'c');
      },
      {
        expected: { kind: 'message', name: 'go', occurrence: 1 },
        actual: { kind: 'sleep', name: 'sleep', occurrence: 2 },
      },
    ],
  ])('finds %s, and says what was expected and what came', async (_, body, difference) => {
    const { replay } = await recorded('ended');
    const report = await replay(body);
    expect(report).toMatchObject({ same: false, firstDifference: difference });
    expect(report.firstDifference?.event).not.toBe('');
    expect(acts).toEqual([]);
  });

  test('of a run that waits finds code that waits for something else', async () => {
    const { replay } = await recorded('waiting');
    const sleeps: Body = async (ctx) => {
      await act(ctx, 'a');
      await ctx.sleep('1d');
      await act(ctx, 'b');
      await ctx.sleep('1d');
    };
    expect(await replay(sleeps)).toMatchObject({
      same: false,
      firstDifference: { expected: { kind: 'message', name: 'go' } },
    });
  });

  describe('of a run that was terminated', () => {
    const cancel = { kind: 'cancel', name: 'cancel', occurrence: 1, outcome: { type: 'cancel', reason: 'enough' } };
    async function terminated(body: Body) {
      const { history } = await recorded('waiting');
      const journal = [...history.journal, { ...cancel, timeMs: Date.parse(history.startedAt) + 86_400_000 }];
      await using t = testWrit();
      return t.replay({ ...history, journal, end: { type: 'terminated' } }, flow(body));
    }

    test('says nothing of where its code was going, which no record has', async () => {
      verifies('sdk.strict_replay');
      const cleansUp: Body = (ctx) => original(ctx).finally(() => act(ctx, 'clean up'));
      expect(await terminated(original)).toEqual({ same: true });
      expect(await terminated(cleansUp)).toEqual({ same: true });
      expect(acts).toEqual([]);
    });

    test('finds code that does not come to what was recorded, or to what stood open', async () => {
      verifies('sdk.strict_replay');
      const renamed: Body = async (ctx) => (await act(ctx, 'A'), original(ctx));
      const early: Body = async (ctx) => {
        await act(ctx, 'a');
        await ctx.sleep('1d');
        return act(ctx, 'b');
      };
      expect(await terminated(renamed)).toMatchObject({ same: false, firstDifference: { expected: { name: 'a' } } });
      expect(await terminated(early)).toMatchObject({ same: false, firstDifference: { expected: { name: 'go' } } });
    });
  });

  test('gives code that awaits something slow and deterministic the time it needs', async () => {
    const { replay } = await recorded('ended');
    const digests: Body = async (ctx) => {
      await crypto.subtle.digest('SHA-256', new Uint8Array(100_000));
      return original(ctx);
    };
    expect(await replay(digests)).toEqual({ same: true });
  });
});

test('a run whose code has changed is paused with a difference, and no finished step runs again', async () => {
  verifies('sdk.diverges');
  let body = original;
  const changing = flow((ctx) => body(ctx));
  await using t = testWrit({ workflows: [changing], alwaysReplay: true });
  const run = await t.start(changing, undefined);
  await t.advance(0);
  acts.length = 0;
  body = async (ctx) => {
    await act(ctx, 'renamed');
    return ctx.sleep('1d');
  };
  await t.advance('1d');
  await expect(run.result()).rejects.toMatchObject({
    code: 'run.diverged',
    details: { expected: { name: 'a' }, actual: { name: 'renamed' } },
  });
  expect(acts).toEqual([]);
});
