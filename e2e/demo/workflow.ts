/**
 * The demo's agent. It has no language model: its judgement is the ordinary code in `reviewers/`, run in sandboxes. What is
 * shown is everything around it: sub-agents with narrower grants, memory, governed tools, an approval, a durable run.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { DeniedError, workflow, type Capability, type StepContext } from '@writ/sdk';
import { forget, recall, remember, type Memory } from '@writ/sdk/tools';
import { reportOf, type Finding, type Review } from './report.js';

/** What each sub-agent looks for; the name is that of its program in `reviewers/`. */
export const reviewers = ['secrets', 'hotspots', 'dependencies', 'links'] as const;

/** Says on stdout when the code of a step begins and ends, so that whoever runs the demo can count. */
function counted<T>(run: string, step: string, code: (ctx: StepContext) => Promise<T>) {
  return async (ctx: StepContext): Promise<T> => {
    process.stdout.write(`${JSON.stringify({ began: step, run })}\n`);
    const value = await code(ctx);
    process.stdout.write(`${JSON.stringify({ ended: step, run })}\n`);
    return value;
  };
}

/** A sub-agent: one sandbox at the commit, one program, its findings. */
export const review = workflow({
  name: 'review-one',
  input: z.object({ reviewer: z.enum(reviewers), artifact: z.string() }),
  async run(ctx, { reviewer, artifact }): Promise<Review> {
    await using box = await ctx.sandbox({ name: reviewer, from: artifact });
    const look = counted(ctx.runId, 'look', async ({ signal }) => {
      for (const file of ['tree.mjs', `${reviewer}.mjs`])
        await box.fs.writeFile(`/tmp/${file}`, await readFile(new URL(`reviewers/${file}`, import.meta.url)));
      const argv = ['node', `/tmp/${reviewer}.mjs`, '/workspace', '/repo.git'];
      const { exitCode, stdout, stderr, reason } = await box.exec(argv, { signal, timeout: '5m' }).result();
      if (exitCode !== 0) throw new Error(`${reviewer} ended with ${reason} ${exitCode}: ${stderr.slice(0, 2000)}`);
      return JSON.parse(stdout) as Omit<Review, 'reviewer' | 'findings'> & { findings: Omit<Finding, 'reviewer'>[] };
    });
    const found = await ctx.step('look', look);
    return { ...found, reviewer, findings: found.findings.map((finding) => ({ ...finding, reviewer })) };
  },
});

/** What a sub-agent may do: less than its parent, and nothing but work in a sandbox of its own. */
export const reviewerGrant: Capability[] = [
  { type: 'writ', actions: ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop', 'artifact.read'] },
];

/** Text of an attribute of a memory. */
const attribute = (memory: Memory, name: string) => String(memory.attributes[name] ?? '');

export const reviewRepository = workflow({
  name: 'repository-reviewer',
  input: z.object({ artifact: z.string(), commit: z.string(), repository: z.string(), scope: z.string() }),
  async run(ctx, { artifact, commit, repository, scope }) {
    const children = [];
    for (const reviewer of reviewers) {
      const options = { id: `${ctx.runId}.${reviewer}`, grant: reviewerGrant };
      children.push(await ctx.start(review, { reviewer, artifact }, options));
    }
    const reviews = await Promise.all(children.map((child) => child.result()));
    const findings = reviews.flatMap((each) => each.findings);

    // The demo kills this process here: the step is long enough to be hit, and what came before must not run again.
    const weigh = counted(ctx.runId, 'weigh', ({ signal }) => delay(400, findings.length, { signal }));
    await ctx.step('weigh', weigh);

    const known = await ctx.call(recall, { scope, query: 'finding', limit: 1000 });
    const before = new Set(known.map((memory) => attribute(memory, 'finding')));
    const now = new Set(findings.map((finding) => finding.id));
    const fresh = findings.filter((finding) => !before.has(finding.id));
    const gone = known.filter((memory) => !now.has(attribute(memory, 'finding')));
    for (const { id, rule, path, message } of fresh) {
      const attributes = { finding: id, path, message };
      await ctx.call(remember, { scope, text: `finding ${rule} in ${path}: ${message}`, attributes });
    }
    for (const { id } of gone) await ctx.call(forget, { id, reason: `not there any more at ${commit}` });

    const isNew = new Set(fresh.map((finding) => finding.id));
    const vanished = gone.map((memory) => ({ path: attribute(memory, 'path'), message: attribute(memory, 'message') }));
    const write = async () => reportOf({ repository, commit, reviews, isNew, gone: vanished });
    const content = await ctx.step('write the report', counted(ctx.runId, 'write the report', write));

    // What it may not do: the policy looks at the arguments, not only at the name of the tool.
    const elsewhere = { path: '/reports/elsewhere.md', content: 'not asked for' };
    const denied = await ctx.call('files/write_file', elsewhere).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof DeniedError) return { tool: 'files/write_file', reasons: [...error.decision.reasons] };
        throw error;
      },
    );
    await ctx.call('files/write_file', { path: '/reports/report.md', content });
    const counts = { new: fresh.length, known: findings.length - fresh.length, gone: gone.length };
    return { findings: counts, denied };
  },
});
