/** A worker that holds a sandbox in which something runs; started by a test, which kills it. */
import { connect, workflow } from '@writ/sdk';

const holding = workflow({
  name: 'holding',
  async run(ctx) {
    const box = await ctx.sandbox();
    process.stdout.write(`holds ${box.id}\n`);
    await box.exec(['sleep', '1000']).result();
  },
});

await using writ = connect();
const worker = await writ.serve({ workflows: [holding] });
process.stdout.write('serving\n');
await worker.closed;
