import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { durationOf, jsonOf, timeOf } from '../command/input.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';
import { confirm } from '../prompt/confirm.js';

type Schedule = Answer<typeof routes.listSchedules>['schedules'][number];

const columns: readonly Column<Schedule>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'WORKFLOW', of: ({ definition }) => definition?.workflow ?? '' },
  { head: 'TIMES', of: timesOf, flexible: true },
  { head: 'STATE', of: stateOf },
  { head: 'NEXT', of: ({ paused, nextTimes }) => (paused ? '' : ago(nextTimes[0])) },
  { head: 'LAST RUN', of: ({ recent: [last] }) => (last ? `${last.state} ${ago(last.time)}` : '') },
];

/** A definition says all of it. */
const nothing = {
  cron: '', timeZone: '', overlap: '', queue: '', version: '', pinned: false, key: '', priority: 0, agent: '', grant: [], note: '',
}; // prettier-ignore

interface Definition {
  cron?: string | undefined;
  every?: string | undefined;
  timeZone?: string | undefined;
  from?: string | undefined;
  until?: string | undefined;
  jitter?: string | undefined;
  overlap?: string | undefined;
  catchUp?: string | undefined;
  input?: string | undefined;
  queue?: string | undefined;
  key?: string | undefined;
  priority?: number | undefined;
  pin?: string | undefined;
  agent?: string | undefined;
  note?: string | undefined;
}

export async function create(
  call: Call,
  workflow: string,
  { id = '', ...options }: Definition & { id?: string | undefined },
): Promise<void> {
  const [api, settings] = await Promise.all([call.api(), call.settings()]);
  const agent = options.agent ?? settings.agent?.value;
  const definition = { ...nothing, workflow, ...(await definitionOf(options)), ...(agent !== undefined && { agent }) };
  const body = await api.call(routes.createSchedule, { id, definition });
  call.out.receipt(body, body.id, `created; next: ${body.nextTimes.slice(0, 3).join(', ')}`);
}

export async function update(call: Call, id: string, workflow: string | undefined, options: Definition): Promise<void> {
  const api = await call.api();
  const { schedule } = await api.call(routes.getSchedule, { id });
  const before: Record<string, unknown> = { ...schedule?.definition };
  // Cron and interval exclude each other: what is given takes the place of what was there.
  if (options.every !== undefined) Object.assign(before, { cron: '', timeZone: '' });
  if (options.cron !== undefined) delete before['interval'];
  if (options.input !== undefined) delete before['input'];
  const changed = { ...(workflow !== undefined && { workflow }), ...(await definitionOf(options)) };
  const body = await api.call(routes.updateSchedule, { id, definition: { ...before, ...changed } as never });
  call.out.receipt(body, id, `updated; next: ${body.nextTimes.slice(0, 3).join(', ')}`);
}

interface ListOptions {
  workflow?: string | undefined;
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function list(call: Call, options: ListOptions): Promise<void> {
  const { workflow = '', limit: pageSize = 50, pageToken = '' } = options;
  const body = await (await call.api()).call(routes.listSchedules, { workflow, pageSize, pageToken });
  const { schedules: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ id }) => id, empty: 'no schedules', more });
}

export async function get(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.getSchedule, { id });
  const schedule = body.schedule as Schedule;
  const { definition, by, pausedReason, createTime, nextTimes, recent, active, bufferedTime, lastSkip } = schedule;
  const { started, skipped, refused, backfills } = schedule;
  call.out.thing(body, {
    name: id,
    fields: [
      ['id', schedule.id],
      ['workflow', definition?.workflow],
      ['times', timesOf(schedule)],
      ['overlap', definition?.overlap],
      ['catch-up', definition?.catchUp],
      ['note', definition?.note],
      ['state', stateOf(schedule)],
      ['paused', pausedReason],
      ['pinned to', definition?.pinned ? definition.version : ''],
      ['key', definition?.key],
      ['priority', definition?.priority || undefined],
      ['agent', definition?.agent],
      ['by', by],
      ['since', createTime && `${createTime} (${ago(createTime)})`],
      ['next', nextTimes.join('\n') || 'never again'],
      ['active', active],
      ['buffered', bufferedTime],
      ['backfill', backfills.map(({ startTime, endTime }) => `${startTime} to ${endTime}`).join('\n')],
      ['so far', `${started} started, ${skipped} skipped, ${refused} refused`],
      [
        'last skip',
        lastSkip && `${lastSkip.time}${lastSkip.until ? ` to ${lastSkip.until}` : ''} (${lastSkip.reason})`,
      ],
      [
        'runs',
        recent
          .map(({ run, state, error }) => `${run}  ${state}${error ? `: ${error.message} (${error.code})` : ''}`)
          .join('\n'),
      ],
    ],
  });
}

export async function pause(call: Call, id: string, reason: string): Promise<void> {
  const body = await (await call.api()).call(routes.pauseSchedule, { id, reason });
  call.out.receipt(body, id, 'paused; what goes on goes on');
}

export async function resume(call: Call, id: string, reason = ''): Promise<void> {
  const body = await (await call.api()).call(routes.resumeSchedule, { id, reason });
  call.out.receipt(body, id, 'resumed');
}

export async function trigger(call: Call, id: string, overlap = ''): Promise<void> {
  const body = await (await call.api()).call(routes.triggerSchedule, { id, overlap });
  call.out.receipt(body, body.run, `see it with \`writ run watch ${body.run}\``);
}

export async function backfill(
  call: Call,
  id: string,
  options: { from: string; until?: string | undefined; parallel: boolean },
): Promise<void> {
  const startTime = timeOf(options.from, '--from') as string;
  const endTime = timeOf(options.until ?? '0s', '--until') as string;
  const overlap = options.parallel ? 'allow' : '';
  const body = await (await call.api()).call(routes.backfillSchedule, { id, startTime, endTime, overlap });
  call.out.receipt(body, id, `backfills; see how far it is with \`writ schedule get ${id}\``);
}

export async function remove(call: Call, id: string): Promise<void> {
  await confirm(call, `Delete the schedule ${id}?`);
  const body = await (await call.api()).call(routes.deleteSchedule, { id });
  call.out.receipt(body, id, 'deleted; its runs go on');
}

async function definitionOf(options: Definition) {
  const {
    cron,
    every,
    timeZone,
    from,
    until,
    jitter,
    overlap,
    catchUp,
    input,
    queue,
    key,
    priority,
    pin,
    agent,
    note,
  } = options;
  const [startTime, endTime] = [timeOf(from, '--from'), timeOf(until, '--until')];
  return {
    ...(cron !== undefined && { cron }),
    ...(every !== undefined && { interval: durationOf(every, '--every') }),
    ...(timeZone !== undefined && { timeZone }),
    ...(startTime !== undefined && { startTime }),
    ...(endTime !== undefined && { endTime }),
    ...(jitter !== undefined && { jitter: durationOf(jitter, '--jitter') }),
    ...(overlap !== undefined && { overlap }),
    ...(catchUp !== undefined && { catchUp: durationOf(catchUp, '--catch-up') }),
    ...(input !== undefined && { jsonInput: (await jsonOf(input, '--input')) as never }),
    ...(queue !== undefined && { queue }),
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority }),
    ...(pin !== undefined && { version: pin, pinned: pin !== '' }),
    ...(agent !== undefined && { agent }),
    ...(note !== undefined && { note }),
  };
}

function timesOf({ definition }: Schedule): string {
  if (!definition) return '';
  const { cron, timeZone, interval } = definition;
  return cron ? `${cron} ${timeZone || 'UTC'}` : `every ${interval ?? ''}`;
}

function stateOf({ paused, nextTimes, active }: Schedule): string {
  if (paused) return 'paused';
  if (nextTimes.length === 0) return 'over';
  return active > 0 ? `active (${active})` : 'waiting';
}
