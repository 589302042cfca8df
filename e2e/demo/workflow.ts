/**
 * The demo's agent. It has no language model: its judgement is the ordinary code in `reviewers/`, run in sandboxes. What is
 * shown is everything around it: sub-agents with narrower grants, memory, governed tools, an approval, a durable run.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { DeniedError, workflow, type Capability } from '@writ/sdk';
import { forget, recall, remember } from '@writ/sdk/tools';
import { reportOf, type Finding, type Review } from './report.ts';

/** What each sub-agent looks for; the name is that of its program in `reviewers/`. */
export const reviewers = ['secrets', 'hotspots', 'dependencies', 'links'] as const;

const Job = z.object({ reviewer: z.enum(reviewers), artifact: z.string() });

/** A sub-agent: one sandbox at the commit, one program, its findings. */
export const review = workflow({
  name: 'review-one',
  input: Job,
  async run(ctx, { reviewer, artifact }) {
    await using box = await ctx.sandbox({ name: reviewer, from: artifact });
    const found = await ctx.step('look', async ({ signal }) => {
      for (const file of ['tree.mjs', `${reviewer}.mjs`])
        await box.fs.writeFile(`/tmp/${file}`, await readFile(new URL(`reviewers/${file}`, import.meta.url)));
      const argv = ['node', `/tmp/${reviewer}.mjs`, '/work', '/repo.git'];
      const { exitCode, stdout, stderr, reason } = await box.exec(argv, { signal, timeout: '5m' }).result();
      if (exitCode !== 0) throw new Error(`${reviewer} ended with ${reason} ${exitCode}: ${stderr.slice(0, 2000)}`);
      return JSON.parse(stdout) as {
        findings: Omit<Finding, 'reviewer'>[];
        total: number;
        looked: Record<string, unknown>;
      };
    });
    return {
      reviewer,
      ...found,
      findings: found.findings.map((finding) => ({ ...finding, reviewer })),
    } satisfies Review;
  },
});

/** What a sub-agent may do: less than its parent, and nothing but work in a sandbox of its own. */
export const reviewerGrant: Capability[] = [
  { type: 'writ', actions: ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop', 'artifact.read'] },
];

/** A finding as it stands in memory. */
interface Known {
  id: string;
  attributes: { finding: string; message: string; path: string };
}

export const reviewRepository = workflow({
  name: 'repository-reviewer',
  input: z.object({ artifact: z.string(), commit: z.string(), repository: z.string(), scope: z.string() }),
  async run(ctx, { artifact, commit, repository, scope }) {
    const children = [];
    for (const reviewer of reviewers)
      children.push(
        await ctx.start(review, { reviewer, artifact }, { id: `${ctx.runId}.${reviewer}`, grant: reviewerGrant }),
      );
    const reviews = await Promise.all(children.map((child) => child.result()));
    const findings = reviews.flatMap((each) => each.findings);

    // The demo kills this process here: the step is long enough to be hit, and what came before must not run again.
    await ctx.step('weigh', async ({ signal }) => delay(400, findings.length, { signal }));

    const known = (await ctx.call(recall, { scope, query: 'finding', limit: 1000 })) as Known[];
    const before = new Map(known.map((memory) => [memory.attributes.finding, memory]));
    const now = new Set(findings.map((finding) => finding.id));
    const fresh = findings.filter((finding) => !before.has(finding.id));
    const gone = known.filter((memory) => !now.has(memory.attributes.finding));
    for (const { id, rule, path, message } of fresh)
      await ctx.call(remember, {
        scope,
        text: `finding ${rule} in ${path}: ${message}`,
        attributes: { finding: id, path, message },
      });
    for (const memory of gone) await ctx.call(forget, { id: memory.id, reason: `not there any more at ${commit}` });

    const isNew = new Set(fresh.map((finding) => finding.id));
    const content = await ctx.step('write the report', () =>
      reportOf({ repository, commit, reviews, isNew, gone: gone.map((memory) => memory.attributes) }),
    );
    const denied = await ctx
      .call('files/write_file', { path: '/reports/elsewhere.md', content: 'not asked for' })
      .then(() => undefined)
      .catch((error: unknown) => {
        if (error instanceof DeniedError) return { tool: 'files/write_file', reasons: error.decision.reasons };
        throw error;
      });
    await ctx.call('files/write_file', { path: '/reports/report.md', content });
    return {
      findings: { new: fresh.length, known: findings.length - fresh.length, gone: gone.length },
      denied,
      report: '/reports/report.md',
    };
  },
});
