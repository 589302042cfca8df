/** Runs at times of their own. `writ schedule get morning` shows the next times and the last runs; pause, trigger and backfill are there too. */
import { connect, workflow } from '@writ/sdk';
import * as z from 'zod';

export const digest = workflow({
  name: 'digest',
  input: z.object({ team: z.string() }),
  async run(ctx, { team }) {
    const count = await ctx.step('count what is open', () => team.length);
    return `${team}: ${count} open on ${ctx.now.toISOString().slice(0, 10)}`;
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using worker = await writ.serve({ workflows: [digest] });
  // Said at each start of the program: a schedule that is there becomes like this one.
  const { next } = await writ.schedule(
    digest,
    { team: 'platform' },
    { id: 'morning', cron: '0 9 * * MON-FRI', timeZone: 'Europe/Berlin', overlap: 'skip', catchUp: '2h' },
  );
  console.log(`next on ${next[0]?.toISOString()}`);
  await worker.closed;
}
