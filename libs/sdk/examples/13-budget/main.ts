/**
 * A run, and what it starts, may spend so much and no more. What is used up is not an error: the step waits, a person is asked, and with more the
 * run goes on where it stood.
 */
import { connect, tool, workflow } from '@writ/sdk';
import * as z from 'zod';

export const searched: string[] = [];

export const search = tool({
  name: 'search',
  description: 'Search the archive',
  effect: 'read',
  input: z.object({ query: z.string() }),
  run: ({ query }) => {
    searched.push(query);
    return Promise.resolve({ hits: query.length });
  },
});

export const summarize = workflow({
  name: 'summarize',
  input: z.object({ hits: z.number() }),
  async run(ctx, { hits }) {
    return ctx.step('write', async ({ spend }) => {
      const held = await spend({ tokens: 1000, usd: 0.02 }); // the most that it can be
      const text = `${hits} hits`;
      await held.settle({ tokens: 40, usd: 0.001 }); // what it was; the rest is free again
      return text;
    });
  },
});

export const research = workflow({
  name: 'research',
  input: z.object({ topics: z.array(z.string()) }),
  limits: { toolCalls: 2, tokens: 5000, usd: 0.1, children: 10, time: '1h' },
  async run(ctx, { topics }) {
    let hits = 0;
    for (const query of topics) hits += (await ctx.call(search, { query })).hits; // counted by the tool gateway
    const writer = await ctx.start(
      summarize,
      { hits },
      { limits: { tokens: 2000, usd: 0.05, toolCalls: 0, children: 0 } },
    );
    return writer.result();
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [research, summarize], tools: [search] });
  const run = await writ.start(research, { topics: ['bees', 'ants', 'wasps'] });
  for await (const event of run) {
    console.log(event.time.toISOString(), event.type);
    if (event.type === 'run.budget_exhausted.v1') console.log(`  now: writ run budget ${run.id} --add toolCalls=1`);
  }
  console.log(await run.result());
}
