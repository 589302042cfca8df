/**
 * The code changes under runs that wait for weeks: those that were begun by the old code keep its way, new ones take the new one. Before it is deployed
 * `writ run check main.ts` replays recorded runs on it. One that failed goes on from a step once the code is mended.
 */
import { connect, workflow, type Writ } from '@writ/sdk';
import * as z from 'zod';

export const invoice = workflow({
  name: 'invoice',
  version: '2',
  input: z.object({ cents: z.number(), to: z.string() }),
  messages: { approved: z.boolean() },
  async run(ctx, { cents, to }) {
    const net = await ctx.step('net', () => cents);
    await ctx.wait('approved');
    // Version 1 sent the net sum. Runs that it began and that came by here go on to do so.
    const sum = ctx.patched('with-tax') ? await ctx.step('tax', () => Math.round(net * 1.19)) : net;
    return ctx.step('send', () => `sent ${sum} to ${to}`);
  },
});

/** A run that failed, from the step on that was wrong: what came before is not done again. */
export async function sendAgain(writ: Writ, id: string): Promise<{ result: unknown; doneAnew: readonly string[] }> {
  const run = writ.run(id, invoice);
  const { dropped } = await run.restart('send', { reason: 'the printer is back' });
  return { result: await run.result(), doneAnew: dropped };
}

/** The same to somebody else: a run of its own, that begins with what the first had found out. */
export async function sendTo(writ: Writ, id: string, to: string): Promise<string> {
  const fork = await writ.start(invoice, { cents: 0, to }, { fork: { run: id, after: 'net' } });
  await fork.send('approved', true);
  return (await fork.result()) as string;
}

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [invoice] });
  const run = await writ.start(invoice, { cents: 100, to: 'ada' });
  await run.send('approved', true);
  console.log(await run.result());
  console.log(await sendAgain(writ, run.id));
  console.log(await sendTo(writ, run.id, 'bob'));
}
