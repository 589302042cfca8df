/** The start of a stream. */
export const fromStart = 0;

const digits = 16;
const prefix = `${'0'.repeat(digits)}_`;

/** A sequence as an offset: opaque, and in the order of its characters. */
export const offsetOf = (seq: number): string => `${prefix}${String(seq).padStart(digits, '0')}`;

/** The sequence of an offset; undefined for what is none. One that was never given is behind everything. */
export function parseOffset(offset: string): number | undefined {
  const [, high, low] = /^(\d{16})_(\d{16})$/.exec(offset) ?? [];
  if (low === undefined) return undefined;
  return Number(high) > 0 ? Number.MAX_SAFE_INTEGER : Number(low);
}
