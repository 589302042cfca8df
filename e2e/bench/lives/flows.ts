/** What lives long in the bench. */
import { randomBytes } from 'node:crypto';
import { tool, workflow } from '@writ/sdk';
import * as z from 'zod';

const MIB = 1024 * 1024;
/** About 200 tokens of English. */
const said = (at: number): string => `${at} ${'and then one more thing that was said '.repeat(21)}`;

export const look = tool({
  name: 'bench.look',
  description: 'Looks something up',
  effect: 'read',
  input: z.object({ at: z.number() }),
  run: async ({ at }) => ({ found: `thing ${at}` }),
});

/** A conversation: each turn is what a model says and what a tool found, and all of it is the state of the next. */
export const agent = workflow({
  name: 'agent',
  input: z.object({ calls: z.number() }),
  run: (ctx, { calls }) =>
    ctx.loop([] as { text: string; found: string }[], async (conversation) => {
      const at = conversation.length;
      const text = await ctx.step('model', () => said(at));
      const { found } = await ctx.call(look, { at });
      const next = [...conversation, { text, found }];
      return next.length === calls ? { done: next.reduce((sum, each) => sum + each.text.length, 0) } : { next };
    }),
});

/** Many steps, a hundred at a time, and then a wait. */
export const steps = workflow({
  name: 'steps',
  input: z.object({ turns: z.number() }),
  messages: { go: z.number() },
  run: async (ctx, { turns }) => {
    const sum = await ctx.loop({ turn: 0, sum: 0 }, async ({ turn, sum }) => {
      const all = await Promise.all(Array.from({ length: 100 }, (_, at) => ctx.step(`s${at}`, () => at)));
      const next = { turn: turn + 1, sum: sum + all.length };
      return next.turn === turns ? { done: next.sum } : { next };
    });
    return sum + (await ctx.wait('go'));
  },
});

/** Bytes that nothing has had before. */
export const film = workflow({
  name: 'film',
  input: z.object({ mib: z.number() }),
  run: (ctx, { mib }) =>
    ctx.step('film', async function* () {
      const chunk = randomBytes(MIB);
      for (let at = 0; at < mib; at++) {
        chunk.writeUInt32LE(at);
        yield new Uint8Array(chunk);
      }
    }),
});
