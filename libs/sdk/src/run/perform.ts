import { decodeBytes, encodeBytes } from '../codec/codec.js';
import type { Logger, StepContext } from '../define/context.js';
import type { Amount, Spending } from '../define/limits.js';
import { TimeoutError, WritError } from '../errors/errors.js';
import type { AskFirst, LiveAttempt } from './attempts.js';
import type { Timers } from './effects.js';
import { failureOf } from './failure.js';
import { insideStep } from './inside.js';
import { Pulse } from './pulse.js';
import type { Done, Failure, Outcome } from './record.js';
import { deniedBy } from './refusal.js';
import { verdictOf, type Verdict } from './retry.js';
import { Stopping } from './stopping.js';
import type { Performance, Slot } from './slot.js';
import { Writing } from './writing.js';

/** Who performs, and for what. */
export interface Performer {
  readonly runId: string;
  /** Of the run: another one's effects are not its own. */
  readonly life: string;
  readonly timers: Timers;
  log(slot: Slot, attempt: number): Logger;
  /** Takes something out of the run's budget. */
  spend(amount: Amount): Promise<Spending>;
}

type Live = Omit<LiveAttempt, 'done'> & { readonly abort: Stopping };

/** The same for every attempt, so that whoever is called can tell a repeat. */
export const idempotencyKey = (life: string, slot: { name: string; occurrence: number }) =>
  `${life}/${slot.name}#${slot.occurrence}`;

/** Begins one attempt of a step or a call. */
export function beginAttempt(by: Performer, slot: Slot, perform: Performance, attempt: number): LiveAttempt {
  const abort = new Stopping();
  const silenceMs = perform.silenceMs ?? 0;
  const pulse = new Pulse(by.timers, silenceMs, () => abort.abort(silent(slot, silenceMs)));
  const writing = new Writing();
  return { abort, pulse, writing, done: makeAttempt(by, slot, perform, attempt, { abort, pulse, writing }) };
}

/**
 * Makes one attempt and says how it ended; never throws. It ends at the limit of its time, or when it is aborted, also where the code does not
 * listen to its signal: then nobody waits for it any more.
 */
async function makeAttempt(
  by: Performer,
  slot: Slot,
  perform: Performance,
  attempt: number,
  live: Live,
): Promise<Done | AskFirst> {
  const { abort, pulse, writing } = live;
  const stopTimer =
    perform.timeoutMs > 0
      ? by.timers.after(perform.timeoutMs, () => abort.abort(timedOut(slot, perform.timeoutMs)))
      : () => {};
  pulse.listen();
  try {
    const code = runCode(by, slot, perform, attempt, live);
    const result = await Promise.race([code, abort.rejected()]);
    if ('type' in result) return result;
    return { type: 'completed', attempt, value: encodeValue(result.value), ...streamed(writing) };
  } catch (error) {
    const outcome = failed(by, slot, perform, attempt, abort.aborted ? abort.reason : error);
    return { ...outcome, ...streamed(writing) };
  } finally {
    stopTimer();
    pulse.stop();
    writing.end();
  }
}

function runCode(
  by: Performer,
  slot: Slot,
  perform: Performance,
  attempt: number,
  live: Live,
): Promise<{ value: unknown } | AskFirst> {
  const about = { runId: by.runId, step: slot.name, stopping: live.abort };
  return insideStep(about, () => perform.attempt(new AttemptContext(by, slot, attempt, live), slot));
}

/** What the code of a step gets. What few of them look at is made when they do; methods may be taken out of it. */
class AttemptContext implements StepContext {
  readonly idempotencyKey: string;
  readonly progress: unknown;
  readonly #by: Performer;
  readonly #slot: Slot;
  readonly #live: Live;

  constructor(
    by: Performer,
    slot: Slot,
    readonly attempt: number,
    live: Live,
  ) {
    this.#by = by;
    this.#slot = slot;
    this.#live = live;
    this.idempotencyKey = idempotencyKey(by.life, slot);
    this.progress = slot.progress && decodeBytes(slot.progress);
  }

  get signal(): AbortSignal {
    return this.#live.abort.signal;
  }

  get log(): Logger {
    return this.#by.log(this.#slot, this.attempt);
  }

  readonly heartbeat = (progress?: unknown): void => this.#live.pulse.beat(progress);
  readonly write = (chunk: unknown): Promise<void> => this.#live.writing.write(chunk);
  readonly spend = (amount: Amount): Promise<Spending> => this.#by.spend(amount);
}

const streamed = ({ count }: Writing) => (count > 0 ? { streamed: count } : {});

const encodeValue = (value: unknown) => (value === undefined ? undefined : encodeBytes(value));

function timedOut(slot: Slot, timeoutMs: number): TimeoutError {
  return new TimeoutError(`${slot.kind} '${slot.name}' took longer than ${timeoutMs} ms`, {
    code: `run.${slot.kind}_timeout`,
    retryable: true,
    details: { timeoutMs },
  });
}

function silent(slot: Slot, silenceMs: number): WritError {
  return new WritError(`${slot.kind} '${slot.name}' said nothing for ${silenceMs} ms`, {
    code: 'run.step_lost',
    retryable: true,
    details: { silenceMs },
    hint: 'call ctx.heartbeat() more often, or give the step a longer heartbeat',
  });
}

/** The report of a failed attempt. */
export function failed(by: Performer, slot: Slot, perform: Performance, attempt: number, error: unknown): Done {
  const { policy } = perform;
  return { type: 'failed', attempt, error: failureOf(error), policy, ...judge(by, slot, perform, attempt, error) };
}

/** A policy that throws cannot say what it wants: nothing is tried again. */
function judge(by: Performer, slot: Slot, { retry }: Performance, attempt: number, error: unknown): Verdict {
  try {
    return verdictOf(retry, error, attempt, by.timers.now());
  } catch (thrown) {
    by.log(slot, attempt).error('the delay of the retry policy threw', failureOf(thrown));
    return { retryable: false };
  }
}

/** The report of an attempt that is not made, or not to its end, and not made again. */
export function endedAttempt(attempt: number, error: Failure): Done {
  return { type: 'failed', attempt, error, retryable: false, policy: {} };
}

/** How a call ends whose approval ended without a yes. */
export function refusal(call: Slot, outcome: Outcome): Done {
  const error =
    outcome.type === 'answered'
      ? deniedBy(outcome.answer, call.name)
      : new TimeoutError(`nobody approved '${call.name}' in time`, { code: 'approval.expired' });
  return endedAttempt(call.failures + 1, failureOf(error));
}
