/** The workflows of the upgrade fixture. Their code is part of it: a run that waits goes on with this very code. */
import { FatalError, tool, workflow } from '@writ/sdk';
import { recall, remember } from '@writ/sdk/tools';
import * as z from 'zod';

export const file = tool({
  name: 'tracker.file',
  description: 'File an issue in the tracker',
  effect: 'write',
  input: z.object({ title: z.string() }),
  run: async ({ title }) => ({ id: `issue-${title.length}` }),
});

interface Reported {
  words: number;
  known: number;
  issue: string;
  note: unknown;
  below: boolean;
}

/** Ends at once: a step, governed tools, memory, a child. */
export const report = workflow({
  name: 'report',
  input: z.object({ topic: z.string(), child: z.boolean().default(true) }),
  async run(ctx, { topic, child }): Promise<Reported> {
    const words = await ctx.step('count', () => topic.split(' ').length);
    const known = await ctx.call(recall, { scope: 'reports/all', query: topic });
    await ctx.call(remember, { scope: 'reports/all', text: `${topic} has ${words} words` });
    const issue = await ctx.call(file, { title: topic });
    const note = await ctx.call('notes/add', { text: topic });
    const below = child ? await (await ctx.start(report, { topic: `more on ${topic}`, child: false })).result() : null;
    return { words, known: known.length, issue: issue.id, note, below: below !== null };
  },
});

/** Waits for a message, then for a person. */
export const refund = workflow({
  name: 'refund',
  input: z.object({ order: z.string(), cents: z.number().int() }),
  messages: { evidence: z.object({ url: z.url() }) },
  async run(ctx, { order, cents }): Promise<{ refunded: number; order: string; by: string }> {
    const loaded = await ctx.step('load order', () => ({ order, owner: 'Ada' }));
    await ctx.wait('evidence');
    const answer = await ctx.ask({ title: `Refund ${cents} cents to ${loaded.owner}?`, timeout: '36500d' });
    await ctx.call(remember, { scope: 'refunds/all', text: `${order} was refunded` });
    return { refunded: cents, order, by: answer.by };
  },
});

export const nap = workflow({
  name: 'nap',
  input: z.object({}),
  async run(ctx) {
    await ctx.step('lie down', () => 'down');
    await ctx.sleep(new Date('2126-01-01T00:00:00Z'));
    return 'rested';
  },
});

export const fails = workflow({
  name: 'fails',
  input: z.object({}),
  async run(ctx) {
    await ctx.step('charge', () => {
      throw new FatalError('the card was declined', { code: 'booking.declined' });
    });
  },
});

export const workflows = [report, refund, nap, fails];
