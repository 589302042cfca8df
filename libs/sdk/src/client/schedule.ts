import { durationFromMs, timestampFromDate, timestampDate } from '@bufbuild/protobuf/wkt';
import { ScheduleService } from '@writ/proto/schedule/v1/schedule';
import { encodeBytes } from '../codec/codec.js';
import { durationMs, type Duration } from '../define/duration.js';
import { parse } from '../define/schema.js';
import { definitionOf, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import type { Capability } from './run.js';
import type { Session } from './session.js';

/** When runs start, and what happens when both at once is not possible. */
export interface ScheduleOptions {
  /** Of the schedule; the ids of its runs are this, a colon and their time. */
  id: string;
  /** `minute hour day month weekday`, with seconds in front where wanted, or `@daily` and its like. Either this or `every`. */
  cron?: string;
  /** IANA name, such as `Europe/Berlin`; default UTC. A time of day that the clocks skip runs at the first moment after, one that comes twice once. */
  timeZone?: string;
  /** Whole seconds at least, counted from 1970. */
  every?: Duration;
  from?: Date;
  until?: Date;
  /** Each run starts up to this much later: many schedules of one minute spread. */
  jitter?: Duration;
  /** While a run of an earlier time goes on: `skip` (default) this one, `buffer` it, `allow` both, `cancel` the other. */
  overlap?: 'skip' | 'buffer' | 'allow' | 'cancel';
  /** Missed times are made up for when they are no older than this; default an hour. */
  catchUp?: Duration;
  queue?: string;
  /** Of the place of its runs in a queue with limits, as for `start`. */
  key?: string;
  priority?: number;
  /** The agent that the runs act as; default: the caller. */
  agent?: string;
  /** What a run may do; default: all that the caller may. */
  grant?: readonly Capability[];
  /** What it is for. */
  note?: string;
  signal?: AbortSignal;
}

/** A schedule that stands. */
export interface Scheduled {
  readonly id: string;
  /** The next five times. */
  readonly next: readonly Date[];
}

/** `writ.schedule` */
export async function schedule(
  session: Session,
  workflow: Workflow,
  input: unknown,
  { id, signal, ...opts }: ScheduleOptions,
): Promise<Scheduled> {
  const def = definitionOf<WorkflowDefinition>(workflow);
  await parse(def.input, input, `the input of the workflow '${workflow.name}'`);
  const { cron = '', timeZone = '', every, from, until, jitter, overlap = '', catchUp } = opts;
  const { queue = '', key = '', priority = 0, agent = '', grant = [], note = '' } = opts;
  const definition = {
    workflow: workflow.name,
    version: def.version ?? '',
    pinned: def.pinned ?? false,
    ...(input === undefined ? {} : { input: { data: encodeBytes(input) } }),
    cron,
    timeZone,
    ...(every === undefined ? {} : { interval: durationFromMs(durationMs(every)) }),
    ...(from && { startTime: timestampFromDate(from) }),
    ...(until && { endTime: timestampFromDate(until) }),
    ...(jitter === undefined ? {} : { jitter: durationFromMs(durationMs(jitter)) }),
    overlap,
    ...(catchUp === undefined ? {} : { catchUp: durationFromMs(durationMs(catchUp)) }),
    queue,
    key,
    priority,
    agent,
    grant: grant.map(({ actions, resources }) => ({ actions: [...actions], resources: [...(resources ?? [])] })),
    note,
  };
  const { createSchedule, updateSchedule } = ScheduleService.method;
  const made = await session.call(createSchedule, { id, definition }, { signal }).catch((error: unknown) => {
    if (!WritError.is(error, 'schedule.exists')) throw error;
    return session.call(updateSchedule, { id, definition }, { signal });
  });
  return { id, next: made.nextTimes.map(timestampDate) };
}
