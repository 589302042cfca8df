/** A run that answers: a query only looks at it, an update is accepted or refused by its code, done once, and answered. */
import { connect, FatalError, workflow } from '@writ/sdk';
import * as z from 'zod';

const Task = z.object({ title: z.string(), minutes: z.number().int().positive() });

export const shift = workflow({
  name: 'shift',
  input: z.object({ minutes: z.number().int() }),
  messages: { over: z.object({}) },
  queries: { left: { output: z.number() } },
  updates: { take: { input: Task, output: z.object({ done: z.string(), left: z.number() }) } },
  async run(ctx, { minutes }) {
    let left = minutes;
    ctx.handle('left', () => left);
    ctx.handle(
      'take',
      async (task) => {
        left -= task.minutes;
        const done = await ctx.step('work', () => `${task.title}: done`);
        return { done, left };
      },
      {
        // Before anything is recorded, in the very state in which the handler begins: two tasks never get the same minutes.
        accept(task) {
          if (task.minutes > left) throw new FatalError(`only ${left} minutes are left`, { code: 'shift.full' });
        },
      },
    );
    await ctx.wait('over');
    return { unused: left };
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [shift] });
  const run = await writ.start(shift, { minutes: 60 });
  console.log(await run.update('take', { title: 'triage', minutes: 45 }, { idempotencyKey: 'ticket-1' }));
  console.log(await run.update('take', { title: 'refund', minutes: 30 }).catch((error: Error) => error.message));
  console.log(await run.query('left'));
  // The same start again finds the run that is there, and the message goes with it.
  await writ.start(shift, { minutes: 60 }, { id: run.id, onConflict: 'attach', send: { message: 'over', data: {} } });
  console.log(await run.result());
}
