/** A worker whose code is of one version or of the next (CODE=before, CODE=after, CODE=patched with both ways); started by a test. */
import { connect, workflow } from '@writ/sdk';
import * as z from 'zod';

const code = process.env['CODE'];

const review = workflow({
  name: 'changing-review',
  messages: { go: z.string() },
  async run(ctx) {
    await ctx.step('load', () => 'loaded');
    const after = code === 'after' || (code === 'patched' && ctx.patched('all-lines'));
    const count = await ctx.step(after ? 'count all lines' : 'count lines', () => {
      process.stdout.write(`counted ${after ? 'after' : 'before'}\n`);
      return 42;
    });
    await ctx.sleep('1ms');
    const said = await ctx.wait('go');
    return `${count} ${said}`;
  },
});

await using writ = connect();
const worker = await writ.serve({ workflows: [review] });
process.stdout.write('serving\n');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker[Symbol.asyncDispose]());
await worker.closed;
