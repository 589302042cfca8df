/** A durable workflow with one step. Run it twice with the same name: the second start gives the run that is there. */
import { connect, workflow } from '@writ/sdk';
import * as z from 'zod';

export const hello = workflow({
  name: 'hello',
  input: z.object({ name: z.string() }),
  async run(ctx, { name }) {
    const greeting = await ctx.step('greet', () => `hello, ${name}`);
    ctx.log.info('greeted', { name });
    return { greeting, at: ctx.now };
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [hello] });
  const name = process.argv[2] ?? 'world';
  const run = await writ.start(hello, { name }, { id: `hello-${name}`, onConflict: 'attach' });
  const { greeting, at } = await run.result({ timeout: '30s' });
  console.log(`${greeting} (${at.toISOString()})`);
}
