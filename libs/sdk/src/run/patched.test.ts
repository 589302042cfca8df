import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import type { Context } from '../define/context.js';
import { workflow, type Workflow } from '../define/workflow.js';
import { testWrit } from '../testing/test-writ.js';

type Ctx = Context<{ go: z.ZodString }>;
const flow = (run: (ctx: Ctx) => Promise<unknown>): Workflow =>
  workflow({ name: 'flow', messages: { go: z.string() }, run });
const act = (ctx: Ctx, name: string) => ctx.step(name, () => name);

const old = flow(async (ctx) => {
  await act(ctx, 'a');
  await ctx.wait('go');
  return act(ctx, 'old');
});
const both = flow(async (ctx) => {
  const ways: string[] = [];
  await act(ctx, 'a');
  ways.push(ctx.patched('p') ? 'new' : 'old');
  await ctx.wait('go');
  ways.push(ctx.patched('p') ? 'new' : 'old');
  await act(ctx, ways.at(-1)!);
  return ways;
});
const later = flow(async (ctx) => {
  await act(ctx, 'a');
  await ctx.wait('go');
  return act(ctx, 'new');
});

/** A history under other code, as a worker that was started anew would have it. */
async function recordedBy(code: Workflow, ended: boolean) {
  await using t = testWrit({ workflows: [code] });
  const run = await t.start(code, undefined, { id: 'r' });
  await t.advance(0);
  if (ended) await run.send('go', 'x');
  await t.advance(0);
  const history = t.history('r');
  return { history, replay: (other: Workflow) => t.replay(history, other) };
}

test('a run that comes to a patch for the first time takes the new way, which is recorded once', async () => {
  verifies('versions.patched');
  await using t = testWrit({ workflows: [both], alwaysReplay: true });
  const run = await t.start(both, undefined, { id: 'r' });
  await run.send('go', 'x');
  expect(await run.result()).toEqual(['new', 'new']);
  const types = [];
  for await (const { type } of run) types.push(type);
  expect(types.filter((type) => type === 'run.patched.v1')).toHaveLength(1);
  expect(await t.replay(t.history('r'), both)).toEqual({ same: true });
});

test.each([false, true])('a run that was begun by the old code goes the old way (ended: %s)', async (ended) => {
  verifies('versions.patched');
  const { replay } = await recordedBy(old, ended);
  const gone: string[] = [];
  const seen = flow(async (ctx) => {
    await act(ctx, 'a');
    const isNew = ctx.patched('p');
    gone.push(isNew ? 'new' : 'old');
    await ctx.wait('go');
    return act(ctx, ctx.patched('p') ? 'new' : 'old');
  });
  expect(await replay(seen)).toEqual({ same: true });
  expect(gone).toEqual(['old']);
  expect(await replay(later)).toMatchObject({ same: !ended });
});

test('the mark is passed over when the call is gone with the old way', async () => {
  const { replay } = await recordedBy(both, false);
  expect(await replay(later)).toEqual({ same: true });
});

test('at the end of a record the code may take the new way, unless the run has ended there', async () => {
  const plain = flow((ctx) => act(ctx, 'a'));
  const { replay } = await recordedBy(plain, false);
  const changed = flow(async (ctx) => {
    await act(ctx, 'a');
    return ctx.patched('p') ? 'other' : 'a';
  });
  expect(await replay(changed)).toEqual({ same: true });
});

test('a patch has no name in common with a step, and is not for steps', async () => {
  const named = flow(async (ctx) => {
    ctx.patched('a');
    await act(ctx, 'a');
    return ctx
      .step('inside', () => ctx.patched('b'), { retry: { attempts: 1 } })
      .catch((error: Error) => error.message);
  });
  await using t = testWrit({ workflows: [named], alwaysReplay: true });
  expect(await (await t.start(named, undefined)).result()).toContain("ctx.patched('b')");
});

test('where nothing stands open in the record the code may come to its end', async () => {
  const { history, replay } = await recordedBy(old, true);
  expect(await replay(old)).toEqual({ same: true });
  await using t = testWrit();
  expect(await t.replay({ ...history, end: undefined }, old)).toEqual({ same: true });
});
