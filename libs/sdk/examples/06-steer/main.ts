/** A message steers a run in the middle of a step: the step races with the message, and is aborted where the message wins. */
import { connect, workflow } from '@writ/sdk';
import { setTimeout as after } from 'node:timers/promises';
import * as z from 'zod';

/** Stands for a long call to a model: it listens to its signal, and says how far it is. */
async function draft(topic: string, signal: AbortSignal, heartbeat: (progress: unknown) => void): Promise<string> {
  for (const section of ['outline', 'body', 'end']) {
    heartbeat({ section });
    await after(topic === 'everything' ? 60_000 : 1, undefined, { signal });
  }
  return `a report on ${topic}`;
}

export const report = workflow({
  name: 'report',
  input: z.object({ topic: z.string() }),
  messages: { steer: z.object({ topic: z.string() }) },
  async run(ctx, { topic }) {
    for (;;) {
      const scope = new AbortController();
      const { signal } = scope;
      const about = topic;
      const first = await Promise.race([
        ctx
          .step('draft', (step) => draft(about, step.signal, step.heartbeat), { signal, heartbeat: '2m' })
          .then((text) => ({ text })),
        ctx.wait('steer', { signal }),
      ]);
      scope.abort(); // the draft that nobody wants any more, or the wait for a message that nobody sent
      if ('text' in first) return first.text;
      topic = first.topic;
    }
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [report] });
  const run = await writ.start(report, { topic: 'everything' });
  await run.send('steer', { topic: 'bees' });
  console.log(await run.result());
}
