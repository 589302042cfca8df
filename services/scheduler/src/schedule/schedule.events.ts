import * as z from 'zod';
import type { Actor, Json } from '@writ/ledger/domain';
import { BlobRef, Capability, Failure } from '../run/run.events.js';

const time = z.iso.datetime();

export const Overlap = z.enum(['skip', 'buffer', 'allow', 'cancel']);
export type Overlap = z.infer<typeof Overlap>;

/** Why a run is started: its time has come, somebody wanted one now, or a time that has passed is made up for. */
export const Trigger = z.enum(['time', 'trigger', 'backfill']);
export type Trigger = z.infer<typeof Trigger>;

/** When; either `cron` or `everyMs`. */
export const Times = z.object({
  cron: z.string().optional(),
  /** IANA name; absent: UTC. */
  timeZone: z.string().optional(),
  /** Whole seconds, counted from 1970. */
  everyMs: z.number().int().optional(),
  startMs: z.number().int().optional(),
  endMs: z.number().int().optional(),
  jitterMs: z.number().int().optional(),
});
export type Times = z.infer<typeof Times>;

/** What is started, as whom and by whose right. */
export const Starts = z.object({
  workflow: z.string(),
  value: (z.json() as z.ZodType<Json>).optional(),
  blob: BlobRef.optional(),
  queue: z.string(),
  version: z.string().optional(),
  /** Only workers of that version get its runs. */
  pinned: z.boolean().optional(),
  /** Of their place in a queue with limits. */
  key: z.string().optional(),
  priority: z.number().int().optional(),
  agent: z.string(),
  onBehalfOf: z.array(z.string()).optional(),
  /** Absent: all that the agent may do. */
  grant: z.array(Capability).optional(),
  /** Policy is asked about them at each start. */
  by: z.custom<Actor>((value) => typeof (value as Actor | null)?.principal === 'string'),
});
export type Starts = z.infer<typeof Starts>;

export const Definition = z.object({
  times: Times,
  overlap: Overlap,
  catchUpMs: z.number().int(),
  starts: Starts,
  note: z.string().optional(),
});
export type Definition = z.infer<typeof Definition>;

const due = { at: time, run: z.string(), trigger: Trigger };

/** The data of every event of a schedule, by type. The subject is the schedule. */
export const scheduleEvents = {
  'schedule.created.v1': Definition,
  'schedule.updated.v1': Definition,
  /** `refused`: by itself, since it has no authority any more. */
  'schedule.paused.v1': z.object({ reason: z.string(), refused: z.boolean().optional() }),
  'schedule.resumed.v1': z.object({ reason: z.string().optional() }),
  'schedule.deleted.v1': z.object({}),
  /** Its run is to be started, now and as it is said here. */
  'schedule.due.v1': z.object({ ...due, starts: Starts }),
  /** Its run is started when no other one goes on. `cancel`: those are cancelled. */
  'schedule.buffered.v1': z.object({ ...due, cancel: z.array(z.string()).optional() }),
  /** One time, or all from `at` to before `until`. */
  'schedule.skipped.v1': z.object({
    at: time,
    until: time.optional(),
    trigger: Trigger,
    reason: z.enum(['overlap', 'catch_up', 'replaced']),
  }),
  /** `attached`: the run was there. */
  'schedule.run_started.v1': z.object({ at: time, run: z.string(), attached: z.boolean().optional() }),
  'schedule.run_refused.v1': z.object({ at: time, run: z.string(), error: Failure }),
  'schedule.run_ended.v1': z.object({ run: z.string(), state: z.enum(['succeeded', 'failed', 'cancelled']) }),
  'schedule.backfill_requested.v1': z.object({ from: time, until: time, overlap: z.enum(['buffer', 'allow']) }),
  /** The last time of the range was due. */
  'schedule.backfilled.v1': z.object({ until: time }),
} as const;

export type ScheduleEventType = keyof typeof scheduleEvents;
export type ScheduleEventData<T extends ScheduleEventType> = z.infer<(typeof scheduleEvents)[T]>;
/** A draft of one of the events of a schedule, typed by its `type`. */
export type ScheduleEvent = {
  [T in ScheduleEventType]: { type: T; data: ScheduleEventData<T> };
}[ScheduleEventType];
