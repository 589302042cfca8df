import { setTimeout as delay } from 'node:timers/promises';
import { WritError } from '@writ/sdk';

/** What may be tried again is, while the platform comes back. @throws what may not, and after `forMs` everything */
export async function patiently<T>(forMs: number, act: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + forMs; ; await delay(200))
    try {
      return await act();
    } catch (error) {
      if (!WritError.is(error) || !error.retryable || performance.now() > until) throw error;
    }
}
