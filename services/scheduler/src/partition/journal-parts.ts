import type { Entry } from '../run/entry.js';

/** Small enough for a message of NATS, far below a frame of gRPC. */
const partBytes = 384 * 1024;

/** Cuts a journal into parts that can be sent; always at least one, of which the first may be empty. */
export function journalParts(entries: readonly Entry[]): Entry[][] {
  const parts: Entry[][] = [];
  let part: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = JSON.stringify(entry).length;
    if (part.length > 0 && bytes + size > partBytes) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += size;
  }
  parts.push(part);
  return parts;
}
