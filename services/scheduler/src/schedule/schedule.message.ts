import {
  durationFromMs,
  durationMs,
  timestampFromMs,
  timestampMs,
  type Duration,
  type Timestamp,
} from '@bufbuild/protobuf/wkt';
import type { Caller } from '@writ/api';
import { refuse, type Actor } from '@writ/ledger/domain';
import { type ScheduleDefinition } from '@writ/proto/schedule/v1/schedule';
import { valueOf } from '../api/payload.js';
import type { StartAs } from '../api/start-as.js';
import type { Content } from '../run/run.events.js';
import type { Definition, Overlap, Starts, Times } from './schedule.events.js';
import { nextTimes } from './schedule-times.js';
import type { ScheduleRow } from './schedule.view.js';

const hourMs = 3_600_000;
const shownTimes = 5;

/** A definition as it is recorded. */
export function definitionOf(given: ScheduleDefinition, input: Content, as: StartAs, caller: Caller): Definition {
  const { workflow, queue, version, pinned, key, priority, note, overlap, catchUp } = given;
  if (pinned && version === '')
    throw refuse('schedule.bad_definition', 'its runs are pinned to a version of the workflow: give that, too');
  // Whatever the token proves now, identity is asked again when a run starts.
  const { agent, onBehalfOf, grant = agent === caller.principal ? [...caller.grant] : undefined } = as;
  const starts = {
    workflow,
    ...input,
    queue: queue || 'default',
    ...(version !== '' && { version }),
    ...(pinned && { pinned }),
    ...(key !== '' && { key }),
    ...(priority !== 0 && { priority }),
    agent,
    ...(onBehalfOf && { onBehalfOf }),
    ...(grant && { grant }),
    by: actorOf(caller),
  } as Starts;
  return {
    times: timesOf(given),
    overlap: (overlap || 'skip') as Overlap,
    catchUpMs: catchUp ? durationMs(catchUp) : hourMs,
    starts,
    ...(note !== '' && { note }),
  };
}

/** Who asks, without the token: that is worth nothing when a run starts. */
function actorOf({ actor: { principal, kind, onBehalfOf } }: Caller): Actor {
  return { principal, kind, ...(onBehalfOf && { onBehalfOf }) };
}

function timesOf({ cron, timeZone, interval, startTime, endTime, jitter }: ScheduleDefinition): Times {
  return {
    ...(cron !== '' && { cron }),
    ...(timeZone !== '' && { timeZone }),
    ...(interval && { everyMs: durationMs(interval) }),
    ...(startTime && { startMs: yearOf('start_time', startTime) }),
    ...(endTime && { endMs: yearOf('end_time', endTime) }),
    ...(jitter && { jitterMs: durationMs(jitter) }),
  };
}

/** Over gRPC a timestamp may lie where no date of JavaScript is. @throws DomainError `schedule.bad_definition` */
export function yearOf(field: string, time: Timestamp): number {
  if (time.seconds >= 0n && time.seconds < 253_402_300_800n) return timestampMs(time);
  throw refuse('schedule.bad_definition', `${field} must lie between the years 1970 and 9999`);
}

export function nextOf(times: Times, nowMs: number): Timestamp[] {
  return nextTimes(times, nowMs, shownTimes).map(timestampFromMs);
}

/** A schedule as it is told. */
export function messageOf({ id, schedule }: ScheduleRow, nowMs: number) {
  const { definition, createdMs, updatedMs, paused, active, buffered, backfills, recent, counts, lastSkip } = schedule;
  return {
    id,
    definition: givenOf(definition),
    by: definition.starts.by.principal,
    paused: paused !== undefined,
    pausedReason: paused?.reason ?? '',
    createTime: timestampFromMs(createdMs),
    updateTime: timestampFromMs(updatedMs),
    nextTimes: nextOf(definition.times, nowMs),
    recent: recent.toReversed().map(({ atMs, run, trigger, state, error }) => ({
      run,
      time: timestampFromMs(atMs),
      trigger,
      state,
      ...(error && { error }),
    })),
    active: active.length,
    ...(buffered && { bufferedTime: timestampFromMs(buffered.atMs) }),
    started: BigInt(counts.started),
    skipped: BigInt(counts.skipped),
    refused: BigInt(counts.refused),
    ...(lastSkip && {
      lastSkip: {
        time: timestampFromMs(lastSkip.atMs),
        ...(lastSkip.untilMs !== undefined && { until: timestampFromMs(lastSkip.untilMs) }),
        reason: lastSkip.reason,
      },
    }),
    backfills: backfills.map(({ afterMs, untilMs }) => ({
      startTime: timestampFromMs(afterMs + 1),
      endTime: timestampFromMs(untilMs),
    })),
  };
}

function givenOf({ times, overlap, catchUpMs, starts, note = '' }: Definition) {
  const { cron = '', timeZone = '', everyMs, startMs, endMs, jitterMs } = times;
  const {
    workflow,
    queue,
    version = '',
    pinned = false,
    key = '',
    priority = 0,
    agent,
    grant = [],
    value,
    blob,
  } = starts;
  const duration = (name: string, ms: number | undefined): Record<string, Duration> =>
    ms === undefined ? {} : { [name]: durationFromMs(ms) };
  return {
    cron,
    timeZone,
    ...duration('interval', everyMs),
    ...(startMs !== undefined && { startTime: timestampFromMs(startMs) }),
    ...(endMs !== undefined && { endTime: timestampFromMs(endMs) }),
    ...duration('jitter', jitterMs),
    overlap,
    ...duration('catchUp', catchUpMs),
    workflow,
    ...(value !== undefined && { jsonInput: valueOf(value) }),
    ...(blob && { input: { blob: blob.hash } }),
    queue,
    version,
    pinned,
    key,
    priority,
    agent,
    grant: grant.map(({ actions, resources = [] }) => ({ actions, resources })),
    note,
  };
}
