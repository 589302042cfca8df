/** Runs that are in every place a run can be in when the scheduler dies. Each gives back its own key. */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { workflow, type StepContext } from '@writ/sdk';

const input = z.object({ key: z.string() });

/** Says on stdout that the code of a step begins, so that executions can be counted. */
function counted(key: string, ms = 0) {
  return async ({ signal }: StepContext): Promise<string> => {
    process.stdout.write(`began ${key}\n`);
    if (ms > 0) await delay(ms, undefined, { signal });
    return key;
  };
}

export const sleeper = workflow({
  name: 'sleeper',
  input,
  async run(ctx, { key }): Promise<string> {
    await ctx.step('before', counted(`${key} before`));
    await ctx.sleep('15s');
    await ctx.step('after', counted(`${key} after`));
    return key;
  },
});

export const listener = workflow({
  name: 'listener',
  input,
  messages: { go: z.object({ key: z.string() }) },
  async run(ctx, { key }): Promise<string> {
    const first = await ctx.wait('go');
    const second = await ctx.wait('go');
    await ctx.step('after', counted(`${key} after`));
    return first.key === second.key ? first.key : `${first.key} and ${second.key}`;
  },
});

export const worker = workflow({
  name: 'worker',
  input,
  run: (ctx, { key }) => ctx.step('work', counted(key, 10_000)),
});

export const asker = workflow({
  name: 'asker',
  input,
  async run(ctx, { key }): Promise<string> {
    await ctx.ask({ title: `May ${key} go on?`, timeout: '10m' });
    return ctx.step('after', counted(`${key} after`)).then(() => key);
  },
});

export const parent = workflow({
  name: 'parent',
  input,
  async run(ctx, { key }): Promise<string> {
    const child = await ctx.start(sleeper, { key: `${key}.child` }, { id: `${ctx.runId}.child` });
    return (await child.result()).replace('.child', '');
  },
});

export const workflows = { sleeper, listener, worker, asker, parent };
export type Kind = keyof typeof workflows;
