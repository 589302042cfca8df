import type { ApiClient } from '../api/client.js';
import { pause } from '../api/client.js';
import type { Frame } from '../api/server-sent-events.js';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import { clockTime, cut, plainLine, styled } from '../output/text.js';

type Watched = Answer<typeof routes.watchEvents>;
type Event = NonNullable<Watched['event']>;

const ends: Readonly<Record<string, number>> = {
  'run.succeeded.v1': exit.ok,
  'run.failed.v1': exit.endedBadly,
  'run.cancelled.v1': exit.endedBadly,
};

/** Prints the events of a run from its first one until its last one. */
export async function watch(call: Call, id: string): Promise<number> {
  const api = await call.api();
  await api.call(routes.getRun, { id }); // or a misspelt id would be waited for without end
  for await (const { value } of eventsOf(api, id, call.signal)) {
    const event = value.event as Event;
    if (call.out.machine) call.out.line(event);
    else call.out.data(call.out.format === 'name' ? `${event.id}\n` : lineOf(event, id));
    if (event.subject === id && event.type in ends) return ends[event.type] as number;
  }
  return exit.failed;
}

/** From the first event on; a stream that broke off is taken up where it broke. */
async function* eventsOf(api: ApiClient, run: string, signal: AbortSignal): AsyncGenerator<Frame<Watched>> {
  let after = 'start';
  for (let failures = 0; ;) {
    try {
      for await (const frame of api.stream(routes.watchEvents, { run, after })) {
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

const mayHeal = new Set(['service.unavailable', 'service.draining', 'auth.token_expired', 'gateway.no_service']);

function lineOf({ time, type, subject, data }: Event, run: string): string {
  const told = plainLine(JSON.stringify(data ?? {}));
  const dim = (text: string) => styled('dim', text, process.stdout);
  const about = subject === run ? '' : `${dim(plainLine(subject))}  `;
  return `${dim(clockTime(time))}  ${type.replace(/\.v\d+$/, '').padEnd(22)}  ${about}${cut(told, 160)}\n`;
}
