import type { Definition, ScheduleEventData, ScheduleEventType, Trigger } from './schedule.events.js';

const mostRecent = 20;

/** A time and its run. */
export interface Due {
  readonly atMs: number;
  readonly run: string;
  readonly trigger: Trigger;
}

/** A run as the schedule remembers it. */
export interface Recent extends Due {
  readonly state: 'starting' | 'started' | 'refused' | 'succeeded' | 'failed' | 'cancelled';
  readonly error?: { code: string; message: string };
}

/** What starts runs at times of its own. */
export interface Schedule {
  readonly definition: Definition;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly paused?: { readonly reason: string; readonly refused: boolean };
  /** Times up to this one are decided. */
  readonly afterMs: number;
  /** Runs that were due and have not ended. */
  readonly active: readonly string[];
  /** Due when none is active. */
  readonly buffered?: Due;
  /** Ranges that are not through, with what is left of them: after `afterMs`, before `untilMs`. */
  readonly backfills: readonly {
    readonly afterMs: number;
    readonly untilMs: number;
    readonly overlap: 'buffer' | 'allow';
  }[];
  /** The newest last. */
  readonly recent: readonly Recent[];
  readonly counts: { readonly started: number; readonly skipped: number; readonly refused: number };
  readonly lastSkip?: { readonly atMs: number; readonly untilMs?: number; readonly reason: string };
}

/** Total: never throws, checks no rule. */
export function evolve(
  schedule: Schedule | undefined,
  { type, data, timeMs }: { type: string; data: unknown; timeMs: number },
): Schedule | undefined {
  if (type === 'schedule.created.v1') return created(data as Definition, timeMs);
  const apply = evolvers[type as Exclude<ScheduleEventType, 'schedule.created.v1'>];
  return schedule && apply ? apply(schedule, data as never, timeMs) : schedule;
}

/** The types that {@link evolve} knows. */
export const evolvedTypes = (): string[] => ['schedule.created.v1', ...Object.keys(evolvers)];

/** The run of a time: the same for ever, whoever starts it. */
export function runOf(schedule: string, atMs: number, exact = false): string {
  const at = new Date(atMs).toISOString();
  return `${schedule}:${exact ? at : at.replace('.000Z', 'Z')}`;
}

function created(definition: Definition, timeMs: number): Schedule {
  return {
    definition,
    createdMs: timeMs,
    updatedMs: timeMs,
    afterMs: timeMs,
    active: [],
    backfills: [],
    recent: [],
    counts: { started: 0, skipped: 0, refused: 0 },
  };
}

type Evolver<T extends ScheduleEventType> = (
  schedule: Schedule,
  data: ScheduleEventData<T>,
  timeMs: number,
) => Schedule | undefined;

const evolvers: { [T in Exclude<ScheduleEventType, 'schedule.created.v1'>]: Evolver<T> } = {
  'schedule.updated.v1': (schedule, definition, timeMs) => ({
    ...schedule,
    definition,
    updatedMs: timeMs,
    afterMs: Math.max(schedule.afterMs, timeMs),
  }),
  'schedule.paused.v1': (schedule, { reason, refused = false }) => ({ ...schedule, paused: { reason, refused } }),
  'schedule.resumed.v1': ({ paused: _, ...schedule }, _data, timeMs) => ({
    ...schedule,
    afterMs: Math.max(schedule.afterMs, timeMs),
  }),
  'schedule.deleted.v1': () => undefined,
  'schedule.due.v1': (schedule, { at, run, trigger }) => {
    const due = { atMs: Date.parse(at), run, trigger };
    const { buffered, ...rest } = decided(schedule, due);
    return {
      ...rest,
      ...(buffered && buffered.run !== run && { buffered }),
      active: [...schedule.active, run],
      recent: [...schedule.recent, { ...due, state: 'starting' as const }].slice(-mostRecent),
    };
  },
  'schedule.buffered.v1': (schedule, { at, run, trigger }) => {
    const buffered = { atMs: Date.parse(at), run, trigger };
    return { ...decided(schedule, buffered), buffered };
  },
  'schedule.skipped.v1': (schedule, { at, until, trigger, reason }) => {
    const atMs = Date.parse(at);
    const untilMs = until === undefined ? {} : { untilMs: Date.parse(until) };
    const after = until === undefined ? atMs : Date.parse(until) - 1;
    return {
      ...decided(schedule, { atMs: after, trigger }),
      counts: { ...schedule.counts, skipped: schedule.counts.skipped + 1 },
      lastSkip: { atMs, ...untilMs, reason },
    };
  },
  'schedule.run_started.v1': (schedule, { run }) => ({
    ...schedule,
    recent: recalled(schedule, run, { state: 'started' }),
    counts: { ...schedule.counts, started: schedule.counts.started + 1 },
  }),
  'schedule.run_refused.v1': (schedule, { run, error: { code, message } }) => ({
    ...schedule,
    active: schedule.active.filter((each) => each !== run),
    recent: recalled(schedule, run, { state: 'refused', error: { code, message } }),
    counts: { ...schedule.counts, refused: schedule.counts.refused + 1 },
  }),
  'schedule.run_ended.v1': (schedule, { run, state }) => {
    const { counts, recent } = schedule;
    // Its end may be told before its start is.
    const unknown = recent.some((each) => each.run === run && each.state === 'starting');
    return {
      ...schedule,
      active: schedule.active.filter((each) => each !== run),
      recent: recalled(schedule, run, { state }),
      ...(unknown && { counts: { ...counts, started: counts.started + 1 } }),
    };
  },
  'schedule.backfill_requested.v1': (schedule, { from, until, overlap }) => ({
    ...schedule,
    backfills: [...schedule.backfills, { afterMs: Date.parse(from) - 1, untilMs: Date.parse(until), overlap }],
  }),
  'schedule.backfilled.v1': (schedule) => ({ ...schedule, backfills: schedule.backfills.slice(1) }),
};

/** Nothing is decided twice: where a time was of the schedule's own, or of the backfill that is under way. */
function decided(schedule: Schedule, { atMs, trigger }: Pick<Due, 'atMs' | 'trigger'>): Schedule {
  if (trigger === 'time') return { ...schedule, afterMs: Math.max(schedule.afterMs, atMs) };
  const [first, ...others] = schedule.backfills;
  if (trigger !== 'backfill' || !first) return schedule;
  return { ...schedule, backfills: [{ ...first, afterMs: Math.max(first.afterMs, atMs) }, ...others] };
}

function recalled(schedule: Schedule, run: string, change: Partial<Recent>): Recent[] {
  return schedule.recent.map((each) => (each.run === run ? { ...each, ...change } : each));
}
