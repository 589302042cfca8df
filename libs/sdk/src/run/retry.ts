import { durationMs, type Duration } from '../define/duration.js';
import type { Retry, RunRetry } from '../define/workflow.js';
import { RetryError, TimeoutError, WritError } from '../errors/errors.js';
import type { RetryPolicy } from './record.js';

/** Whether a failure may be tried again, and how long its author asks to wait. */
export interface Verdict {
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}

/** Numbers of a retry policy as the wire has them. */
export function policyOf(retry: Retry | undefined): RetryPolicy {
  if (!retry) return {};
  const { attempts, delay, factor, increment, maxDelay, jitter, within, onExhausted } = retry;
  return {
    ...(attempts === undefined ? {} : { attempts: Math.min(attempts, 2 ** 32 - 1) }),
    ...(delay === undefined || typeof delay === 'function' ? {} : { delayMs: durationMs(delay) }),
    ...(factor === undefined ? (increment === undefined ? {} : { factor: 1 }) : { factor }),
    ...(increment === undefined ? {} : { incrementMs: durationMs(increment) }),
    ...(maxDelay === undefined ? {} : { maxDelayMs: durationMs(maxDelay) }),
    ...(jitter === undefined ? {} : { jitter: share(jitter) }),
    ...(within === undefined ? {} : { totalMs: Math.max(1, durationMs(within)) }),
    ...(onExhausted === 'pause' ? { pause: true } : {}),
  };
}

function share(jitter: number): number {
  if (jitter >= 0 && jitter <= 1) return jitter;
  throw new WritError(`the jitter of a retry is a share from 0 to 1, not ${jitter}`, { code: 'input.invalid' });
}

/** What the error itself and the policy of its author say. */
export function verdictOf(retry: RunRetry | undefined, error: unknown, attempt: number, now: number): Verdict {
  if (!isRetryable(error) || retry?.except?.includes(codeOf(error))) return { retryable: false };
  const asked = error instanceof RetryError ? error.after : undefined;
  if (asked !== undefined) return { retryable: true, retryAfterMs: msUntil(asked, now) };
  if (typeof retry?.delay !== 'function') return { retryable: true };
  const wait = retry.delay(error, attempt);
  return wait === false ? { retryable: false } : { retryable: true, retryAfterMs: msUntil(wait, now) };
}

/** Before the next attempt of a whole run, or undefined where there is none. */
export function runDelayMs(retry: RunRetry, error: unknown, attempt: number, now: number): number | undefined {
  const { retryable, retryAfterMs } = verdictOf(retry, error, attempt, now);
  const policy = policyOf(retry);
  if (!retryable || attempt >= (policy.attempts ?? defaults.attempts)) return undefined;
  return retryAfterMs ?? delayMs(policy, attempt, Math.random());
}

/** What is absent in a policy. */
export const defaults = { attempts: 5, delayMs: 1_000, factor: 2, maxDelayMs: 60_000 } as const;

/**
 * The delay of a policy after failure number `failures`.
 * @param chance from 0 to 1: how much of the jitter is taken off
 */
export function delayMs(policy: RetryPolicy, failures: number, chance: number): number {
  const { delayMs: first, factor, maxDelayMs } = { ...defaults, ...policy };
  const { incrementMs = 0, jitter = 0 } = policy;
  const delay = Math.min(first * factor ** (failures - 1) + incrementMs * (failures - 1), maxDelayMs);
  return Math.round(delay * (1 - jitter * chance));
}

/** Whether trying again may help: any foreign error, and of ours those that say so. */
function isRetryable(error: unknown): boolean {
  return WritError.is(error) ? error.retryable || error instanceof TimeoutError : true;
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : String(name);
}

/** 0 would be no word at all. */
function msUntil(after: Duration | Date, now: number): number {
  return Math.max(1, after instanceof Date ? after.getTime() - now : durationMs(after));
}
