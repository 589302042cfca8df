/** What the worker of the bench serves. Their steps do nothing, so that only the engine costs. */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { workflow } from '@writ/sdk';

/**
 * What happened in this process, by run: how late it went on behind its wait, or when a step of it was last behind, in milliseconds
 * of the machine's clock. A replay does not count again.
 */
export const lateMs = new Map<string, number>();
export const lastTickMs = new Map<string, number>();
/** Executions of the code of steps, which a run that is taken over must not make again. */
export const executed = new Map<string, number>();

function wentOn(run: string, sinceMs: number): void {
  if (!lateMs.has(run)) lateMs.set(run, Date.now() - sinceMs);
}

/** Three steps that each give a small value. Restate and DBOS run the same. */
const threeSteps = workflow({
  name: 'three-steps',
  input: z.object({ n: z.number() }),
  async run(ctx, { n }): Promise<number> {
    const one = await ctx.step('one', () => n + 1);
    const two = await ctx.step('two', () => one + 1);
    return ctx.step('three', () => two + 1);
  },
});

/** Waits for one message. */
const listener = workflow({
  name: 'listener',
  messages: { go: z.object({ sentMs: z.number() }) },
  async run(ctx): Promise<void> {
    const { sentMs } = await ctx.wait('go');
    wentOn(ctx.runId, sentMs);
  },
});

/** Sleeps until a moment. */
const sleeper = workflow({
  name: 'sleeper',
  input: z.object({ untilMs: z.number() }),
  async run(ctx, { untilMs }): Promise<void> {
    await ctx.sleep(new Date(untilMs));
    wentOn(ctx.runId, untilMs);
  },
});

/** Steps one after the other, of a second each: it is always in the middle of one. */
const ticker = workflow({
  name: 'ticker',
  input: z.object({ ticks: z.number() }),
  async run(ctx, { ticks }): Promise<void> {
    for (let tick = 0; tick < ticks; tick++) {
      await ctx.step(`tick ${tick}`, async ({ signal }) => {
        const key = `${ctx.runId}/${tick}`;
        executed.set(key, (executed.get(key) ?? 0) + 1);
        await delay(1_000, undefined, { signal });
      });
      lastTickMs.set(ctx.runId, Date.now());
    }
  },
});

/** One step that writes the time again and again: so many in a second, or as fast as there is room. */
const tokens = workflow({
  name: 'tokens',
  input: z.object({ chunks: z.number(), perSecond: z.number() }),
  run: (ctx, { chunks, perSecond }): Promise<void> =>
    ctx.step('tokens', async ({ write }) => {
      const began = performance.now();
      for (let written = 0; written < chunks;) {
        const due = perSecond === 0 ? written + 1 : Math.min(chunks, ((performance.now() - began) * perSecond) / 1000);
        for (; written < due; written++) await write(performance.timeOrigin + performance.now());
        if (perSecond > 0) await delay(5);
      }
    }),
});

/** Ends at once. */
const nothing = workflow({ name: 'nothing', run: async (): Promise<void> => {} });

export const flows = { threeSteps, listener, sleeper, ticker, tokens, nothing };
