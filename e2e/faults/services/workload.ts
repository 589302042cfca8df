/** Errands in a loop, several at once, and a person who approves what is asked. */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, WritError, type Writ } from '@writ/sdk';
import type { Rest } from '../../demo/rest.js';
import type { Cast } from './cast.js';
import { patiently } from '../patiently.js';
import { errand, type ErrandResult } from './errand.js';

/** An errand that was started, and what came of it. */
export interface Errand {
  readonly key: string;
  readonly run: string;
  readonly ms: number;
  readonly result?: ErrandResult;
  /** Why it did not end as it should. */
  readonly problem?: string;
}

export interface Workload {
  readonly ended: readonly Errand[];
  /** Starts no more, and waits for those that were started. */
  finish(): Promise<void>;
}

const RESULT_TIMEOUT = '3m';
const START_TIMEOUT_MS = 60_000;

export function startWorkload(url: string, cast: Cast, inFlight: number): Workload {
  const writ = connect({ url, token: () => cast.agent.accessToken() });
  const ended: Errand[] = [];
  const [enough, over] = [new AbortController(), new AbortController()];
  let count = 0;
  const loop = async (): Promise<void> => {
    while (!enough.signal.aborted) ended.push(await runErrand(writ, cast, `e${++count}`));
  };
  const loops = Promise.all(Array.from({ length: inFlight }, loop));
  const approving = approve(cast.person, over.signal);
  return {
    ended,
    async finish() {
      enough.abort();
      await loops;
      over.abort();
      await approving;
      await writ[Symbol.asyncDispose]();
    },
  };
}

async function runErrand(writ: Writ, { scope }: Cast, key: string): Promise<Errand> {
  const [run, began] = [`run_${key}`, performance.now()];
  const ms = (): number => Math.round(performance.now() - began);
  try {
    const started = await patiently(START_TIMEOUT_MS, () =>
      writ.start(errand, { key, scope }, { id: run, onConflict: 'attach' }),
    );
    return { key, run, result: await started.result({ timeout: RESULT_TIMEOUT }), ms: ms() };
  } catch (error) {
    const problem = WritError.is(error) ? `${error.code}: ${error.message}` : String(error);
    return { key, run, problem, ms: ms() };
  }
}

async function approve(person: Rest, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await approveAll(person).catch(() => {}); // the service is away; the question stays
    await delay(200, undefined, { signal: over }).catch(() => {});
  }
}

async function approveAll(person: Rest): Promise<void> {
  const { approvals } = await person.get<{ approvals: { id: string; argumentsDigest: string }[] }>('/v1/approvals');
  for (const { id, argumentsDigest } of approvals)
    await person.post(`/v1/approvals/${id}:decide`, {
      verdict: 'approve',
      reason: 'it is only a test',
      argumentsDigest,
    });
}
