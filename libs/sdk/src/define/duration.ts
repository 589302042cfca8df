import { WritError } from '../errors/errors.js';

/** Milliseconds, or a number with its unit: `'250ms'`, `'30s'`, `'5m'`, `'24h'`, `'2d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration.
 * @throws WritError `input.invalid` where it is negative, not finite or has no known unit
 */
export function durationMs(duration: Duration): number {
  const [, digits, unit] = typeof duration === 'string' ? (/^(.+?)(ms|s|m|h|d)$/.exec(duration) ?? []) : [];
  const ms = typeof duration === 'number' ? duration : Number(digits) * (unitMs[unit ?? ''] ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  throw new WritError(`'${duration}' is not a duration: write milliseconds, or '250ms', '30s', '5m', '24h', '2d'`, {
    code: 'input.invalid',
  });
}

/** The instant a duration ends that begins at `from`; a `Date` is already one. */
export function instant(until: Duration | Date, from: Date): Date {
  return until instanceof Date ? until : new Date(from.getTime() + durationMs(until));
}
