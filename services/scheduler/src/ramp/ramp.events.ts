import * as z from 'zod';

/** Which version of a workflow its new runs go to. */
export const Ramp = z.object({
  to: z.string(),
  /** Of the starts, 0 to 100. */
  percent: z.number().int(),
  /** The version of all others; absent at 100 percent alone. */
  from: z.string().optional(),
});
export type Ramp = z.infer<typeof Ramp>;

/** The data of every event of a ramp, by type. The subject is the workflow. */
export const rampEvents = {
  /** In the ramp's own partition. Without a ramp: it has ended. */
  'ramp.set.v1': z.object({ revision: z.number().int(), ramp: Ramp.optional() }),
  /** In every other one: so each start is decided where it is recorded. */
  'ramp.learned.v1': z.object({ revision: z.number().int(), ramp: Ramp.optional() }),
} as const;

export type RampEventType = keyof typeof rampEvents;
export type RampEventData<T extends RampEventType> = z.infer<(typeof rampEvents)[T]>;
/** A draft of one of the events of a ramp, typed by its `type`. */
export type RampEvent = { [T in RampEventType]: { type: T; data: RampEventData<T> } }[RampEventType];
