/** A run waits for a message from outside and for a person's answer. Meanwhile it needs no worker, and costs next to nothing. */
import { connect, DeniedError, TimeoutError, workflow } from '@writ/sdk';
import * as z from 'zod';

export const refund = workflow({
  name: 'refund',
  input: z.object({ order: z.string(), cents: z.number().int() }),
  messages: { evidence: z.object({ url: z.url() }) },
  async run(ctx, { order, cents }) {
    const evidence = await ctx.wait('evidence', { timeout: '1h' });
    try {
      const answer = await ctx.ask({
        title: `Refund ${(cents / 100).toFixed(2)} for order ${order}?`,
        detail: { evidence: evidence.url },
        remind: ['4h', '1d'],
        escalate: { after: '30h', to: ['group:support-leads'] },
        timeout: '2d',
      });
      return { refunded: cents, approvedBy: answer.by };
    } catch (error) {
      if (error instanceof DeniedError) return { refunded: 0, because: error.decision.reasons[0]?.text ?? 'denied' };
      if (error instanceof TimeoutError) return { refunded: 0, because: 'nobody answered' };
      throw error;
    }
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [refund] });
  const run = await writ.start(refund, { order: 'o1', cents: 4250 });
  await run.send('evidence', { url: 'https://example.org/photo.jpg' });
  for await (const event of run) {
    console.log(event.time.toISOString(), event.type);
    if (event.type === 'approval.requested.v1') console.log(`  now: writ approval approve ${event.subject}`);
  }
  console.log(await run.result());
}
