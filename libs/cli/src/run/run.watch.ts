import { resumed } from '../api/resumed.js';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
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
  for await (const { value } of resumed(api, routes.watchEvents, { run: id, after: 'start' }, call.signal)) {
    const event = value.event as Event;
    if (call.out.machine) call.out.line(event);
    else call.out.data(call.out.format === 'name' ? `${event.id}\n` : lineOf(event, id));
    if (event.subject === id && event.type in ends) return ends[event.type] as number;
  }
  return exit.failed;
}

function lineOf({ time, type, subject, data }: Event, run: string): string {
  const told = plainLine(JSON.stringify(data ?? {}));
  const dim = (text: string) => styled('dim', text, process.stdout);
  const about = subject === run ? '' : `${dim(plainLine(subject))}  `;
  return `${dim(clockTime(time))}  ${type.replace(/\.v\d+$/, '').padEnd(22)}  ${about}${cut(told, 160)}\n`;
}
