/** Code that nobody has read runs in a sandbox without a network; what it found is filed through a governed tool and remembered. */
import { connect, tool, workflow } from '@writ/sdk';
import { recall, remember } from '@writ/sdk/tools';
import * as z from 'zod';

export const filed: string[] = [];

/** Policy is asked with the exact arguments before each call; `writ policy push` decides who may file what. */
export const fileIssue = tool({
  name: 'tracker.file',
  description: 'File an issue in the tracker',
  effect: 'write',
  input: z.object({ title: z.string(), body: z.string() }),
  async run({ title }, { idempotencyKey }) {
    filed.push(title);
    return { id: `issue-${idempotencyKey.length}`, title };
  },
});

export const inspect = workflow({
  name: 'inspect',
  input: z.object({ artifact: z.string().default(''), scope: z.string().default('examples/inspect') }),
  async run(ctx, { artifact, scope }) {
    await using box = await ctx.sandbox({ network: 'none', ...(artifact ? { from: artifact } : {}) });
    const files = await ctx.step('count files', async ({ signal }) => {
      const { stdout } = await box.exec(['find', '.', '-type', 'f'], { signal, timeout: '30s' }).result();
      return stdout.split('\n').filter(Boolean).length;
    });
    const text = `the work folder has ${files} files`;
    const known = await ctx.call(recall, { scope, query: text });
    if (known.some((memory) => memory.text === text)) return { files, news: false };
    await ctx.call(remember, { scope, text });
    const issue = await ctx.call(fileIssue, { title: 'The number of files has changed', body: text });
    return { files, news: true, issue: issue.id };
  },
});

if (import.meta.main) {
  await using writ = connect();
  await using _worker = await writ.serve({ workflows: [inspect], tools: [fileIssue] });
  const run = await writ.start(inspect, { artifact: process.argv[2] ?? '' });
  console.log(await run.result({ timeout: '2m' }));
}
