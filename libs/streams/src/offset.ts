/** The start of a stream. */
export const fromStart = 0;

const digits = 16;

/** A sequence as an offset: opaque, and in the order of its characters. */
export const offsetOf = (seq: number): string => String(seq).padStart(digits, '0');

/** The sequence of an offset; undefined for what is none. */
export function parseOffset(offset: string): number | undefined {
  return /^\d{16}$/.test(offset) ? Number(offset) : undefined;
}
