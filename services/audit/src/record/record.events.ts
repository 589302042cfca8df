import * as z from 'zod';

const number = z.number().int().nonnegative();

/** What happens to the record. The subject is the one record of an installation. */
export const recordEvents = {
  'record.sealed.v1': z.object({
    /** Leaves before, and behind it. */
    from: number,
    size: number,
    /** Root of the tree of `size` leaves, base64. */
    root: z.string(),
    /** The commits whose lines became the leaves, in this order. */
    batches: z.array(z.object({ service: z.string(), partition: number, from: number, to: number })),
  }),
};

/** The order in which commits became leaves. It is decided once, and the tree can be built again from it. */
export interface Sealed {
  type: 'record.sealed.v1';
  data: z.infer<(typeof recordEvents)['record.sealed.v1']>;
}

/** Commits of one partition that follow each other; `from` and `to` inclusive. */
export type Batch = Sealed['data']['batches'][number];
