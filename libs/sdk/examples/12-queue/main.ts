/**
 * One deployment of a service at a time, four in all, and the urgent ones first. What the queue lets go on is set once, and may be changed at any time:
 *
 *   writ queue set deploys --concurrency 4 --key service --key-concurrency 1
 *
 * A deployment that waits for approval gives its slot to another service, and keeps its own. `writ run why <id>` says which run it waits for.
 */
import { connect, workflow } from '@writ/sdk';
import * as z from 'zod';

export const deploy = workflow({
  name: 'deploy',
  input: z.object({ service: z.string(), version: z.string() }),
  messages: { approved: z.boolean() },
  async run(ctx, { service, version }) {
    const canary = await ctx.step('canary', () => `${service}@${version} on 1 machine`);
    if (!(await ctx.wait('approved'))) return `${canary}, taken back`;
    return ctx.step('roll out', () => `${service}@${version} everywhere`);
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [deploy], queue: 'deploys' });
  const usual = await writ.start(deploy, { service: 'web', version: '7' }, { queue: 'deploys' });
  const urgent = await writ.start(deploy, { service: 'api', version: '3' }, { queue: 'deploys', priority: 5 });
  await Promise.all([usual, urgent].map((run) => run.send('approved', true)));
  console.log(await Promise.all([usual, urgent].map((run) => run.result())));
}
