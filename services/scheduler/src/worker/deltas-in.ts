import type { Deltas as Wire } from '@writ/proto/worker/v1/worker';
import type { Deltas } from '../stream/delta.js';

/** Of one chunk. */
const mostBytes = 64 * 1024;
const mostName = 256;
const mostMaking = 32;

/** What a worker sends of a step; undefined for what no correct worker sends, which is of no use to anybody. */
export function deltasIn({
  attempt: token,
  name,
  occurrence,
  number: attempt,
  making,
  from,
  chunks,
}: Wire): Deltas | undefined {
  if (name === '' || name.length > mostName || occurrence === 0 || attempt === 0) return undefined;
  if (making.length > mostMaking || chunks.length === 0 || from > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const texts = chunks.map((chunk) => Buffer.from(chunk).toString('utf8'));
  if (!texts.every(isChunk)) return undefined;
  return { token, step: `${name}/${occurrence}`, attempt, making, from: Number(from), chunks: texts };
}

/** It is put between others as it is: anything else than one JSON text would break the stream of its run. */
function isChunk(text: string): boolean {
  if (text.length > mostBytes) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
