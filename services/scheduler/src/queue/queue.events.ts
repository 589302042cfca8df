import * as z from 'zod';

/** So many in each stretch of time: at once, and then evenly. */
export const Rate = z.object({ count: z.number().int(), periodMs: z.number().int() });
export type Rate = z.infer<typeof Rate>;

/** What a queue holds its runs to. What is absent does not limit. */
export const Limits = z.object({
  /** Runs that are going on; one that waits does not count. */
  concurrency: z.number().int().optional(),
  /** Runs of one key, from their first worker to their end. */
  keyConcurrency: z.number().int().optional(),
  /** Where in the input a run's key is, when its start names none: `customer.id`. */
  key: z.string().optional(),
  /** Starts of the whole queue, and of one key. */
  rate: Rate.optional(),
  keyRate: Rate.optional(),
  /** Where in the input it stands how much a run takes of the rates, and of its key's turn; default 1. */
  cost: z.string().optional(),
  /** How much more than another a key gets when both wait; default 1. */
  shares: z.record(z.string(), z.number().int()).optional(),
});
export type Limits = z.infer<typeof Limits>;

/** The data of every event of a queue, by type. The subject is the queue. */
export const queueEvents = {
  /** In the queue's own partition. Without limits: as if it had never been defined. */
  'queue.defined.v1': z.object({ revision: z.number().int(), limits: Limits }),
  /** In every other one: so each start is decided where it is recorded. */
  'queue.learned.v1': z.object({ revision: z.number().int(), limits: Limits }),
  /** The runs of this partition get their slots from the owner of the queue's home that has this epoch, and from no earlier one. */
  'queue.followed.v1': z.object({ epoch: z.number().int() }),
} as const;

export type QueueEventType = keyof typeof queueEvents;
export type QueueEventData<T extends QueueEventType> = z.infer<(typeof queueEvents)[T]>;
/** A draft of one of the events of a queue, typed by its `type`. */
export type QueueEvent = { [T in QueueEventType]: { type: T; data: QueueEventData<T> } }[QueueEventType];

/** What a run of a queue with limits goes by, taken when it is started. */
export const Ticket = z.object({
  key: z.string().optional(),
  cost: z.number().int().optional(),
  /** The higher goes first; default 0. */
  priority: z.number().int().optional(),
});
export type Ticket = z.infer<typeof Ticket>;
