const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `"30m"`, `"24h"`, `"7d"`; undefined for anything else, for nothing and for more than a year. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const result = Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN);
  return result > 0 && result <= 366 * 86_400_000 ? result : undefined;
}
