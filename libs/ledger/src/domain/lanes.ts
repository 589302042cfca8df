/**
 * What is started together is committed together. An id that ends in a lane, `run_<UUIDv7>-p<two hex digits>`, lives in
 * partition `lane mod partitions` instead of the one of its hash; `newLanedId` makes such ids.
 */
export const lanes = 256;

/** `run_` and a UUID. */
const idLength = 40;
const [dash, mark] = [0x2d, 0x70];

/** A bare id, in a lane. */
export const inLane = (id: string, lane: number): string => `${id}-p${lane.toString(16).padStart(2, '0')}`;

/** The lane that an id names, or -1. */
export function laneOf(id: string): number {
  if (id.length !== idLength + 4 || id.charCodeAt(idLength) !== dash || id.charCodeAt(idLength + 1) !== mark) return -1;
  const [high, low] = [hexDigit(id.charCodeAt(idLength + 2)), hexDigit(id.charCodeAt(idLength + 3))];
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}
