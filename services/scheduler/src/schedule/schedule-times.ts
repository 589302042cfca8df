import { Cron } from 'croner';
import { fnv1a32, refuse } from '@writ/ledger/domain';
import type { Definition, Times } from './schedule.events.js';

const dayMs = 24 * 3_600_000;
/** Patterns that were read; reading one costs as much as asking it. */
const known = new Map<string, Cron>();

/**
 * The first time after `afterMs`, or undefined where there is none any more. What the clocks of a time zone do is the cron library's
 * to know: a time of day that they skip is due at the first moment after the gap, once; one that comes twice is due the first time;
 * what has a `*` or a step in its hours or minutes goes on evenly through both.
 */
export function nextTime(
  { cron, timeZone, everyMs = 0, startMs = 0, endMs }: Times,
  afterMs: number,
): number | undefined {
  const fromMs = Math.max(afterMs, startMs - 1);
  const next =
    cron === undefined
      ? (Math.floor(fromMs / everyMs) + 1) * everyMs
      : cronOf(cron, timeZone).nextRun(new Date(fromMs))?.getTime();
  return next === undefined || next > (endMs ?? Infinity) ? undefined : next;
}

/** The first few times after `afterMs`. */
export function nextTimes(times: Times, afterMs: number, count: number): number[] {
  const found: number[] = [];
  for (let next = nextTime(times, afterMs); next !== undefined && found.length < count; next = nextTime(times, next))
    found.push(next);
  return found;
}

/** How much later than its time a run starts: the same for the same time of the same schedule, on every replica. */
export function jitterOf({ jitterMs = 0 }: Times, schedule: string, atMs: number): number {
  return jitterMs === 0 ? 0 : fnv1a32(`${schedule} ${atMs}`) % (jitterMs + 1);
}

/** @throws DomainError `schedule.bad_definition`, `schedule.never_due` */
export function checkDefinition({ times, catchUpMs }: Definition, nowMs: number): void {
  const { cron, timeZone, everyMs, startMs, endMs, jitterMs = 0 } = times;
  const bad = (why: string) => refuse('schedule.bad_definition', why);
  if ((cron === undefined) === (everyMs === undefined)) throw bad('give either cron or an interval');
  if (everyMs !== undefined && (everyMs < 1000 || everyMs % 1000 !== 0 || everyMs > 3660 * dayMs))
    throw bad(`the interval must be whole seconds, from one to ten years, not ${everyMs} ms`);
  if (timeZone !== undefined && cron === undefined) throw bad('a time zone is for cron: an interval has none');
  if (jitterMs < 0 || jitterMs > dayMs) throw bad(`the jitter must lie between 0 and a day, not ${jitterMs} ms`);
  if (catchUpMs < 0 || catchUpMs > 366 * dayMs)
    throw bad(`catch-up must lie between 0 and a year, not ${catchUpMs} ms`);
  if (cron !== undefined) checkCron(cron, timeZone);
  const [first, second = Infinity] = nextTimes(times, nowMs, 2);
  if (first !== undefined && jitterMs >= second - first)
    throw bad(`the jitter of ${jitterMs} ms is not shorter than from one time to the next`);
  if (first !== undefined) return;
  const between = `${startMs === undefined ? 'now' : new Date(Math.max(startMs, nowMs)).toISOString()} and ${endMs === undefined ? 'the end of time' : new Date(endMs).toISOString()}`;
  throw refuse('schedule.never_due', `'${cron ?? `every ${(everyMs ?? 0) / 1000} s`}' has no time between ${between}`);
}

function checkCron(cron: string, timeZone: string | undefined): void {
  // The library takes a date for a pattern too; a schedule of one time is a run with a start time.
  if (!cron.startsWith('@') && ![5, 6].includes(cron.trim().split(/\s+/).length))
    throw refuse('schedule.bad_definition', `'${cron}' must have five fields, or six with seconds`);
  try {
    cronOf(cron, timeZone).nextRun(new Date(0));
  } catch (error) {
    const why = (error as Error).message.replace(/^\w+: /, '');
    throw refuse('schedule.bad_definition', `cron '${cron}' in the time zone '${timeZone ?? 'UTC'}': ${why}`);
  }
}

function cronOf(pattern: string, timezone = 'UTC'): Cron {
  const key = `${timezone} ${pattern}`;
  let cron = known.get(key);
  if (!cron) {
    // Made without a function it is only asked, and never runs.
    cron = new Cron(pattern, { timezone, paused: true, mode: '5-or-6-parts' });
    if (known.size >= 1000) known.clear();
    known.set(key, cron);
  }
  return cron;
}
