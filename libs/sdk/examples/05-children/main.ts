/** A run spawns sub-agents, each with fewer rights than itself: that is checked when their tokens are issued, not by this code. */
import { connect, workflow, WritError } from '@writ/sdk';
import * as z from 'zod';

export const scout = workflow({
  name: 'scout',
  input: z.object({ word: z.string(), text: z.string() }),
  async run(ctx, { word, text }) {
    return ctx.step('count', () => text.split(/\W+/).filter((each) => each === word).length);
  },
});

export const survey = workflow({
  name: 'survey',
  input: z.object({ words: z.array(z.string()), text: z.string() }),
  async run(ctx, { words, text }) {
    const scouts = [];
    for (const word of words)
      scouts.push(
        await ctx.start(scout, { word, text }, { grant: [{ actions: ['run.read'] }], id: `${ctx.runId}.${word}` }),
      );
    const counts = await ctx.join(scouts, { timeout: '1m' }); // one wake-up for all of them

    const tooMuch = await ctx
      .start(scout, { word: 'x', text }, { grant: [{ actions: ['*'] }] })
      .then(() => 'granted')
      .catch((error: unknown) => (WritError.is(error) ? error.code : 'failed'));
    return { counts: Object.fromEntries(words.map((word, i) => [word, counts[i] ?? 0])), tooMuch };
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [survey, scout] });
  const text = 'the agent acts under a writ, and the writ says what the agent may do';
  const run = await writ.start(survey, { words: ['the', 'writ', 'agent'], text });
  console.log(await run.result({ timeout: '1m' }));
}
