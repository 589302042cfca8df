import { fnv1a32 } from '@writ/ledger/domain';
import type { RetryPolicy } from './run.commands.js';

/** A failure that may be tried again. */
export interface Failed {
  /** Failures so far, this one included, since the policy began. */
  failures: number;
  /** Since the first of them. */
  elapsedMs: number;
  /** Names the attempt: what the jitter takes is the same whenever it is asked about it. */
  of: string;
  /** Replaces the delay of the policy, not its limits. */
  retryAfterMs?: number | undefined;
}

/** How long to wait before the next attempt, or undefined when none is left. */
export function retryDelayMs(
  policy: RetryPolicy,
  { failures, elapsedMs, of, retryAfterMs }: Failed,
): number | undefined {
  if (failures >= policy.attempts) return undefined;
  const delayMs = retryAfterMs ?? Math.round(delayOf(policy, failures - 1) * (1 - (policy.jitter ?? 0) * chance(of)));
  return elapsedMs + delayMs > (policy.totalMs ?? Infinity) ? undefined : delayMs;
}

function delayOf({ delayMs, factor, incrementMs = 0, maxDelayMs }: RetryPolicy, times: number): number {
  return Math.min(delayMs * factor ** times + incrementMs * times, maxDelayMs);
}

/** From 0 to 1. */
function chance(of: string): number {
  return fnv1a32(of) / 2 ** 32;
}
