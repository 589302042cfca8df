import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { timeOf } from '../command/input.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type AuditEvent = Answer<typeof routes.searchEvents>['events'][number];

const columns: readonly Column<AuditEvent>[] = [
  { head: 'TIME', of: ({ event }) => event?.time?.slice(0, 23) },
  { head: 'TYPE', of: ({ event }) => event?.type.replace(/\.v\d+$/, '') },
  { head: 'SUBJECT', of: ({ event }) => event?.subject, flexible: true },
  { head: 'BY', of: ({ event }) => event?.actor?.principal, flexible: true },
  { head: 'LEAF', of: ({ leafIndex }) => leafIndex, right: true },
  { head: 'ID', of: ({ event }) => event?.id },
];

export interface Filters {
  run?: string | undefined;
  agent?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** As the API has them. */
export function filterOf({ run = '', agent = '', from, to }: Filters) {
  const [fromTime, toTime] = [timeOf(from, '--from'), timeOf(to, '--to')];
  return { run, agent, ...(fromTime !== undefined && { fromTime }), ...(toTime !== undefined && { toTime }) };
}

interface SearchOptions extends Filters {
  type?: string | undefined;
  subject?: string | undefined;
  ascending: boolean;
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function search(call: Call, options: SearchOptions): Promise<void> {
  const { type = '', subject = '', ascending, limit: pageSize = 50, pageToken = '' } = options;
  const request = { ...filterOf(options), type, subject, ascending, pageSize, pageToken };
  const body = await (await call.api()).call(routes.searchEvents, request);
  const { events: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ event }) => event?.id ?? '', empty: 'no such events', more });
}

export async function show(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.getAuditEvent, { id });
  const { event, leafIndex, leafHash } = body.event as AuditEvent;
  const { actor } = event ?? {};
  const acting = [actor?.principal, ...(actor?.onBehalfOf ?? [])].join(' for ');
  call.out.thing(body, {
    name: id,
    fields: [
      ['id', id],
      ['type', event?.type],
      ['time', event?.time && `${event.time} (${ago(event.time)})`],
      ['subject', event?.subject],
      ['by', acting],
      ['run', actor?.run],
      ['token', actor?.token],
      ['cause', event?.cause],
      ['position', event?.position],
      ['leaf', `${leafIndex}  ${leafHash}`],
      ['data', JSON.stringify(event?.data, undefined, 2)],
    ],
  });
}
