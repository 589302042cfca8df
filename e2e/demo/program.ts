/** The main job, end to end: `npm run demo [-- --repo <path or URL>] [--json]`. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  decisionOf,
  recordOf,
  revokeWhileCalling,
  tokenAfterRevocation,
  verifyOffline,
  type RecordedEvent,
} from './afterwards.js';
import { castOf, type Cast } from './cast.js';
import { conduct } from './conduct.js';
import { page, type Outcome } from './page.js';
import { Rest } from './rest.js';
import { demoStack, root, type DemoStack } from './stack.js';
import { reviewers } from './workflow.js';

const usage = `Usage: npm run demo [-- options]

An agent reviews a Git repository under an identity, a policy and a record; see README.md.

Options:
  --repo <path or URL>  the repository to review (default: this one)
  --data <folder>       where the stack of the demo keeps its data (default .writ/demo)
  --json                one JSON object on stdout; progress goes to stderr
  --help                this text

WRIT_URL and WRIT_KEY_FILE (the operator's key) name a running stack; otherwise one is started and stopped again.
`;

export interface Options {
  readonly repo: string;
  readonly data: string;
  readonly json: boolean;
}

export async function main(argv: readonly string[]): Promise<number> {
  let options: Options;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        repo: { type: 'string' },
        data: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      return 0;
    }
    const data = path.resolve(values.data ?? path.join(root, '.writ/demo'));
    options = { repo: values.repo ?? root, data, json: values.json ?? false };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  const began = performance.now();
  const say = (line: string) =>
    process.stderr.write(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
  const stack = await demoStack(options.data, say);
  // Ctrl-C ends the stack too, not only this process.
  process.once('SIGINT', () => void stack.stop().finally(() => process.exit(130)));
  try {
    say(`the stack is up (${stack.natsServer}, durability ${stack.durability})`);
    const outcome = await demonstrate(stack, options, say, began);
    const { events, ...facts } = outcome;
    process.stdout.write(options.json ? `${JSON.stringify(facts)}\n` : page(facts, events));
    return outcome.ok ? 0 : 1;
  } finally {
    await stack.stop();
  }
}

async function demonstrate(
  stack: DemoStack,
  options: Options,
  say: (line: string) => void,
  began: number,
): Promise<Outcome & { events: readonly RecordedEvent[] }> {
  const cast = await castOf(new Rest(stack.url, stack.operator), options.data);
  say(
    `tenant, person, agent and ${cast.policies.policies} policies (${cast.policies.version.slice(0, 19)}…) are there`,
  );
  const artifact = await importRepository(cast, options.repo);
  say(`${options.repo} at ${artifact.commit.slice(0, 12)} is artifact ${artifact.id}`);
  const scope = `repository/${createHash('sha256').update(artifact.source).digest('hex').slice(0, 16)}`;
  const subject = {
    artifact: `${artifact.id}@${artifact.commit}`,
    commit: artifact.commit,
    repository: nameOf(options.repo),
    scope,
  };
  const conducted = await conduct(stack.url, cast, subject, say);
  try {
    const report = await fetchReport(cast, options.data);
    const replayed = await cast.person.post<{ same: boolean; liveCalls: number; firstDifference: string }>(
      `/v1/runs/${conducted.runId}:replay`,
      {},
    );
    const events = await recordOf(cast, conducted.runId);
    const audit = await verifyOffline(cast, options.data, events.at(-1)?.position ?? '');
    const revocation = await revokeWhileCalling(cast, scope);
    const refused = await tokenAfterRevocation(cast);
    say(`revoked: calls are refused with ${revocation.code} (${revocation.latencyMs} ms), a new token with ${refused}`);
    const decisions = events.map(decisionOf).filter((decision) => decision !== undefined);
    const count = (outcome: string) => decisions.filter((decision) => decision.outcome === outcome).length;
    const { findings, denied } = conducted.result;
    const { file, ...proof } = audit;
    const ok =
      proof.verified &&
      replayed.same &&
      conducted.steps.reexecuted === 0 &&
      denied !== undefined &&
      conducted.approvals.length > 0 &&
      revocation.acceptedAfter === 0;
    return {
      ok,
      repository: subject.repository,
      commit: artifact.commit,
      run: conducted.runId,
      workers: conducted.workers.length,
      steps: conducted.steps,
      subagents: reviewers.length,
      findings,
      decisions: { permit: count('allow'), deny: count('deny'), approval: conducted.approvals.length },
      denied: {
        tool: denied?.tool ?? '',
        reason: denied?.reasons[0]?.text ?? '',
        policies: denied?.reasons.map((reason) => reason.policy) ?? [],
      },
      audit: proof,
      replay: { identical: replayed.same, liveCalls: replayed.liveCalls },
      revocation: { latencyMs: revocation.latencyMs, acceptedAfter: revocation.acceptedAfter },
      durability: stack.durability,
      natsServer: stack.natsServer,
      timings: { bootMs: stack.bootMs, runMs: conducted.runMs, totalMs: Math.round(performance.now() - began) },
      report,
      record: file,
      events,
    };
  } finally {
    await conducted.stop();
  }
}

interface Artifact {
  readonly id: string;
  readonly commit: string;
  readonly source: string;
}

async function importRepository({ person }: Cast, repo: string): Promise<Artifact> {
  const source = /^https?:\/\//.test(repo) ? repo : path.resolve(repo);
  return (await person.post<{ artifact: Artifact }>('/v1/artifacts', { source })).artifact;
}

/** The person reads the published report through the same governed tool, and it is put where it can be opened. */
async function fetchReport({ person }: Cast, folder: string): Promise<string> {
  const call = { tool: 'files/read_text_file', arguments: { path: '/reports/report.md' } };
  const { content } = await person.post<{ content: { text: string }[] }>('/v1/tools:call', call);
  const file = path.join(folder, 'report.md');
  await writeFile(file, content.map(({ text }) => text).join(''));
  return file;
}

function nameOf(repo: string): string {
  if (repo !== root) return path.basename(repo.replace(/\/+$|\.git$/g, ''));
  return (JSON.parse(execFileSync('cat', [path.join(root, 'package.json')], { encoding: 'utf8' })) as { name: string })
    .name;
}
