export interface EventuallyOptions {
  /** Default 10,000. */
  timeoutMs?: number;
  /** Between two looks; default 20. */
  everyMs?: number;
  /** What was waited for, for the message. */
  what?: string;
}

/**
 * Looks at `condition` until it is truthy and gives that value. A condition that throws is false for now, and its last
 * error is the cause of the failure, so an `expect(…)` inside it reads well.
 *
 * @throws Error after `timeoutMs`
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const { timeoutMs = 10_000, everyMs = 20, what = 'the condition' } = options;
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, undefined | null | false | 0 | ''>;
      cause = `it was ${String(value)}`;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) {
      const last = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${what} did not hold within ${timeoutMs} ms: ${last}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
