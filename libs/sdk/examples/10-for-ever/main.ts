/** A session that never ends: each turn takes a message, works, and gives the state that the next turn begins with. What is over is not carried along. */
import { connect, workflow } from '@writ/sdk';
import * as z from 'zod';

const Session = z.object({ words: z.number(), last: z.array(z.string()) });

/** Stands for a model that is told what was said lately. */
const model = (said: readonly string[]): string => `you said: ${said.join(', ')}`;

export const session = workflow({
  name: 'session',
  messages: { say: z.string() },
  output: Session,
  run: (ctx) =>
    ctx.loop({ words: 0, last: [] as string[] }, async (state) => {
      const text = await ctx.wait('say');
      if (text === 'bye') return { done: state };
      const last = [...state.last, text].slice(-3);
      await ctx.emit('answer', await ctx.step('answer', () => model(last)));
      const words = state.words + text.split(' ').length;
      // The engine begins a generation when the journal is long. `checkpoint` begins one now: here, when a chapter of the talk is over.
      return { next: { words, last }, checkpoint: text.endsWith('.') };
    }),
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [session] });
  const run = await writ.start(session, undefined);
  for (const text of ['hello there', 'write a report', 'thank you.', 'and another one', 'bye'])
    await run.send('say', text);
  console.log(await run.result());
}
