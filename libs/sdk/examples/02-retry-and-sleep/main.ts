/** A step that fails is tried again; a sleep outlives the process; what has succeeded is taken back when a later step fails for good. */
import { connect, FatalError, workflow } from '@writ/sdk';
import * as z from 'zod';

/** Stands for a service that is down for the first two attempts. */
async function reserve(room: string, attempt: number): Promise<string> {
  if (attempt < 3) throw new Error('the booking service is away');
  return `${room}-${attempt}`;
}

export const cancelled: string[] = [];

export const booking = workflow({
  name: 'booking',
  input: z.object({ room: z.string(), card: z.enum(['good', 'declined']) }),
  async run(ctx, { room, card }) {
    const reservation = await ctx.step('reserve', ({ attempt }) => reserve(room, attempt), {
      retry: { attempts: 5, delay: '200ms' },
      undo: async (id) => void cancelled.push(id),
    });
    await ctx.sleep('2s'); // a day or a year costs as little
    const receipt = await ctx.step('charge', ({ idempotencyKey }) => {
      if (card === 'declined') throw new FatalError('the card was declined', { code: 'booking.declined' });
      return `paid under ${idempotencyKey}`;
    });
    return { reservation, receipt };
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [booking] });
  const run = await writ.start(booking, { room: 'blue', card: 'good' });
  for await (const event of run) console.log(event.time.toISOString(), event.type);
  console.log(await run.result());
}
