/** A step writes tokens while it goes on; who watches sees them at once, and comes back where they left. What counts is what the step returns. */
import { connect, workflow, type Run } from '@writ/sdk';
import * as z from 'zod';

/** Stands for a model that streams: its first answer breaks off. */
async function* model(prompt: string, attempt: number): AsyncGenerator<string> {
  for (const word of `${prompt} are what they seem`.split(' ')) {
    if (attempt === 1 && word === 'what') throw new Error('the connection to the model broke');
    yield `${word} `;
  }
}

export const answer = workflow({
  name: 'answer',
  input: z.object({ prompt: z.string() }),
  run: (ctx, { prompt }) =>
    ctx.step(
      'answer',
      async (step) => {
        let text = '';
        for await (const token of model(prompt, step.attempt)) {
          text += token;
          await step.write(token);
        }
        return text.trim();
      },
      { retry: { attempts: 3, delay: '1s' } },
    ),
});

/** What a page would show: the tokens of the attempt that counts. */
export async function* shown(run: Run<string>, after?: string): AsyncGenerator<{ text: string; cursor: string }> {
  let text = '';
  for await (const delta of run.stream(after === undefined ? {} : { after })) {
    if (delta.type === 'started') text = ''; // another attempt: what was there is superseded
    if (delta.type === 'data') text += String(delta.data);
    yield { text, cursor: delta.cursor };
  }
}

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [answer] });
  const run = await writ.start(answer, { prompt: 'owls' });
  for await (const { text } of shown(run)) console.log(text);
  console.log(await run.result());
}
