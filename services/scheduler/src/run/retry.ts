import type { RetryPolicy } from './run.commands.js';

/**
 * How long to wait after failure number `failures` (from 1), or undefined when no attempt is left.
 * `retryAfterMs` replaces the delay, not the count of attempts.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  retryable: boolean,
  retryAfterMs?: number,
): number | undefined {
  if (!retryable || failures >= policy.attempts) return undefined;
  if (retryAfterMs !== undefined) return retryAfterMs;
  return Math.round(Math.min(policy.delayMs * policy.factor ** (failures - 1), policy.maxDelayMs));
}
