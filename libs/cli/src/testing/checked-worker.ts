/** The program of a worker, as `writ run check` loads it: it serves, and would start a run. CODE says how its code was changed. */
import { connect, workflow } from '@writ/sdk';

const code = process.env['CODE'] ?? 'before';

const review = workflow({
  name: 'review',
  async run(ctx) {
    await ctx.step('load', () => 'loaded');
    if (code === 'after' || (code === 'patched' && ctx.patched('count-all'))) return ctx.step('count all', () => 43);
    return ctx.step('count', () => 42);
  },
});

await using writ = connect();
const worker = await writ.serve({ workflows: [review] });
process.stdout.write('serving\n');
await writ.start(review, undefined);
await worker.closed;
