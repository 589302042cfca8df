/** What is done to many runs at once: they are found by their attributes, counted, paused, sent a message and cancelled by a filter. */
import { connect, workflow, type Writ } from '@writ/sdk';
import * as z from 'zod';

export const ticket = workflow({
  name: 'ticket',
  input: z.object({ customer: z.string() }),
  messages: { reply: z.string() },
  async run(ctx, { customer }) {
    await ctx.set({ customer, stage: 'waiting for a reply' });
    const reply = await ctx.wait('reply');
    await ctx.set({ stage: null, answered: true });
    return reply;
  },
});

/** One batch after the other; each is carried out by the platform, also when this program dies. */
export async function closeAll(writ: Pick<Writ, 'runs'>, customer: string) {
  const open = writ.runs({ filter: `workflow = ticket AND attributes.customer = "${customer}" AND state = waiting` });
  const before = await open.count();
  await (await open.pause({ reason: 'maintenance' })).result();
  await (await open.resume({ reason: 'maintenance is over' })).result();
  const sent = await (await open.send('reply', 'we have moved')).result();
  return { before, sent: sent.done };
}

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [ticket] });
  const customers = Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? 'acme' : 'other'));
  const runs = await Promise.all(customers.map((customer) => writ.start(ticket, { customer })));
  const byCustomer = () => writ.runs({ filter: 'workflow = ticket AND state = waiting' }).count('attributes.customer');
  while ([...(await byCustomer()).values()].reduce((sum, each) => sum + each, 0) < runs.length)
    await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(await byCustomer());
  console.log(await closeAll(writ, 'acme'));
  const others = writ.runs({ filter: 'workflow = ticket AND attributes.customer != "acme" AND state = waiting' });
  console.log(await (await others.cancel({ reason: 'the shop is closed' })).result());
  const answered = runs.filter((_, n) => customers[n] === 'acme');
  console.log(new Set(await Promise.all(answered.map((run) => run.result()))));
}
