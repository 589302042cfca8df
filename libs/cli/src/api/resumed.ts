import { Refused } from '../failure/refused.js';
import { pause, type ApiClient } from './client.js';
import type { Route } from './route.js';
import type { Frame } from './server-sent-events.js';

const mayHeal = new Set(['service.unavailable', 'service.draining', 'auth.token_expired', 'gateway.no_service']);

/**
 * The answers of a stream behind a cursor; one that broke off, or that the server ended because it goes away, is taken up where it was. Goes on until its
 * reader leaves.
 */
export async function* resumed<I extends { after: string }, O>(
  api: ApiClient,
  route: Route<I, O>,
  request: Partial<I> & { after: string },
  signal: AbortSignal,
): AsyncGenerator<Frame<O>, void, undefined> {
  let { after } = request;
  for (let failures = 0; ;) {
    try {
      for await (const frame of api.stream(route, { ...request, after })) {
        failures = 0;
        after = frame.cursor ?? after;
        yield frame;
      }
    } catch (error) {
      const heals = error instanceof Refused && mayHeal.has(error.problem.code);
      if (!heals || signal.aborted || ++failures > 10) throw error;
    }
    await pause(Math.min(100 * 2 ** failures, 5_000), signal);
  }
}
