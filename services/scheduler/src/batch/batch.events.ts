import * as z from 'zod';
import type { Actor, Json } from '@writ/ledger/domain';
import { BlobRef, Capability, Failure } from '../run/run.events.js';

/** What is done to each run. */
export const Action = z.discriminatedUnion('type', [
  z.object({ type: z.literal('cancel'), force: z.boolean().optional() }),
  z.object({ type: z.literal('pause') }),
  z.object({ type: z.literal('resume') }),
  z.object({ type: z.literal('delete') }),
  z.object({
    type: z.literal('send'),
    message: z.string(),
    value: (z.json() as z.ZodType<Json>).optional(),
    blob: BlobRef.optional(),
  }),
]);
export type Action = z.infer<typeof Action>;

/** What is done, to which runs, and by whose right. */
export const Definition = z.object({
  action: Action,
  /** As it was given: it is read anew for every page. */
  filter: z.string(),
  reason: z.string(),
  /** Runs that matched when it was created. */
  expected: z.number().int(),
  by: z.custom<Actor>((value) => typeof (value as Actor | null)?.principal === 'string'),
  /** What the token held by which it was created. */
  grant: z.array(Capability),
});
export type Definition = z.infer<typeof Definition>;

/** The last run of a page: the next page begins behind it. */
export const Cursor = z.object({ createdMs: z.number().int(), id: z.string() });
export type Cursor = z.infer<typeof Cursor>;

/** Runs that failed with one code. */
export const Failed = z.object({
  code: z.string(),
  count: z.number().int(),
  /** The first of them. */
  run: z.string(),
  detail: z.string(),
});
export type Failed = z.infer<typeof Failed>;

/** Runs that are dealt with together. They are recorded before anything is done to them, so that a repeat is about the same ones. */
export const Page = z.object({
  runs: z.array(z.string()),
  /** Where the next one begins. Absent: it is the last. */
  cursor: Cursor.optional(),
});
export type Page = z.infer<typeof Page>;

/** What became of the runs of a page. */
export const Became = z.object({
  done: z.number().int(),
  unchanged: z.number().int(),
  failed: z.array(Failed).optional(),
});
export type Became = z.infer<typeof Became>;

/** The data of every event of a batch, by type. The subject is the batch. */
export const batchEvents = {
  'batch.created.v1': Definition,
  'batch.page_taken.v1': Page,
  /** The page is dealt with. */
  'batch.progressed.v1': Became,
  /** Somebody wants it to end after the page that it is at. */
  'batch.stop_requested.v1': z.object({ reason: z.string() }),
  'batch.ended.v1': z.object({
    state: z.enum(['done', 'stopped', 'failed']),
    /** Of one that failed or was stopped. */
    error: Failure.optional(),
    done: z.number().int(),
    unchanged: z.number().int(),
    failed: z.number().int(),
  }),
} as const;

export type BatchEventType = keyof typeof batchEvents;
export type BatchEventData<T extends BatchEventType> = z.infer<(typeof batchEvents)[T]>;
/** A draft of one of the events of a batch, typed by its `type`. */
export type BatchEvent = { [T in BatchEventType]: { type: T; data: BatchEventData<T> } }[BatchEventType];
