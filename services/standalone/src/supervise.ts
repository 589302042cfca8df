import { setTimeout as delay } from 'node:timers/promises';

/** Something that runs for as long as the stack does. */
export interface Supervised {
  /** For messages. */
  readonly name: string;
  /** Resolves when it has ended, however that came, with how. */
  ended(): Promise<string>;
  /** Starts it once more. @throws when it did not come up, or the signal aborted */
  again(signal: AbortSignal): Promise<unknown>;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** After a life of this length an end is a new trouble, not more of the last one. */
const STEADY_MS = 30_000;

/**
 * Starts it again whenever it ends, at once or nearly, then ever more slowly, without giving up: what it needs may come back.
 * @param tell gets a sentence for each end
 * @returns the end of the supervision: nothing is started any more when it resolves
 */
export function supervise(it: Supervised, tell: (line: string) => void): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
  const watching = (async () => {
    let failures = 0;
    let begun = performance.now();
    for (let how = await Promise.race([it.ended(), stopped]); how !== undefined && !signal.aborted;) {
      if (performance.now() - begun > STEADY_MS) failures = 0;
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** failures++, MAX_DELAY_MS);
      tell(`${it.name} ended (${how}); it is started again in ${delayMs / 1000} s`);
      await delay(delayMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      begun = performance.now();
      how = await it.again(signal).then(
        () => Promise.race([it.ended(), stopped]),
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    }
  })();
  return async () => {
    stopping.abort();
    await watching;
  };
}
