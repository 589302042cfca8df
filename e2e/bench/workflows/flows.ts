/** What the worker of the bench serves. Their steps do nothing, so that only the engine costs. */
import * as z from 'zod';
import { workflow } from '@writ/sdk';

/** Three steps that each give a small value. Restate and DBOS run the same. */
export const threeSteps = workflow({
  name: 'three-steps',
  input: z.object({ n: z.number() }),
  async run(ctx, { n }): Promise<number> {
    const one = await ctx.step('one', () => n + 1);
    const two = await ctx.step('two', () => one + 1);
    return ctx.step('three', () => two + 1);
  },
});

export const flows = [threeSteps];
