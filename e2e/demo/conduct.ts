/** The run itself: started, its worker killed in the middle, its question answered, its end awaited. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@writ/sdk';
import type { Cast } from './cast.js';
import { reexecuted, WorkerProcess } from './worker-process.js';
import { reviewRepository, reviewers } from './workflow.js';

export interface Subject {
  readonly artifact: string;
  readonly commit: string;
  readonly repository: string;
  readonly scope: string;
}

export interface Approval {
  readonly id: string;
  readonly title: string;
  readonly detail: { path?: string; content?: string };
  readonly argumentsDigest: string;
  readonly run: string;
}

const RUN_TIMEOUT = '10m';

/** @param say gets a line for each thing that happens */
export async function conduct(url: string, cast: Cast, subject: Subject, say: (line: string) => void) {
  const env = { WRIT_URL: url, WRIT_KEY_FILE: cast.agentKeyFile };
  const workers = [await WorkerProcess.start(env)];
  const done = new AbortController();
  await using writ = connect({ url, token: () => cast.agent.accessToken() });
  try {
    const began = performance.now();
    const run = await writ.start(reviewRepository, { ...subject }, { id: `run_${randomUUID()}` });
    say(`run ${run.id} under ${cast.agent.key.client_id}, ${reviewers.length} sub-agents with less than its rights`);
    const answered = answerApprovals(cast, run.id, done.signal, say);
    await (workers[0] as WorkerProcess).began('weigh');
    await (workers[0] as WorkerProcess).kill();
    say(`worker ${workers[0]?.pid} is dead (SIGKILL) in the middle of step 'weigh'`);
    workers.push(await WorkerProcess.start(env));
    say(`worker ${workers[1]?.pid} takes the run up from the ledger`);
    const result = await run.result({ timeout: RUN_TIMEOUT });
    const runMs = Math.round(performance.now() - began);
    done.abort();
    const approvals = await answered;
    const steps = {
      executed: workers.flatMap((worker) => worker.steps.filter((step) => step.ended)).length,
      reexecuted: reexecuted(workers),
    };
    // The replay needs a worker that has the code: this one stays until then.
    return { run, runId: run.id, result, approvals, steps, workers, runMs, stop: () => workers[1]?.stop() };
  } catch (error) {
    done.abort();
    await Promise.all(workers.map((worker) => worker.kill()));
    throw error;
  }
}

/** A person reads what is asked and approves it, through the API. */
async function answerApprovals(
  { person }: Cast,
  run: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Approval[]> {
  const given: Approval[] = [];
  while (!signal.aborted) {
    const { approvals } = await person.get<{ approvals: Approval[] }>(`/v1/approvals?run=${run}`);
    for (const approval of approvals) {
      const { path, content = '' } = approval.detail;
      say(
        `asked: ${approval.title} (${path}, ${content.split('\n').length} lines, digest ${approval.argumentsDigest.slice(0, 19)}…)`,
      );
      const { argumentsDigest } = approval;
      await person.post(`/v1/approvals/${approval.id}:decide`, {
        verdict: 'approve',
        reason: 'read and agreed',
        argumentsDigest,
      });
      say('approved by Ada, for exactly these arguments and once');
      given.push(approval);
    }
    await delay(100, undefined, { signal }).catch(() => {});
  }
  return given;
}
