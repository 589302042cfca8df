import type { Json } from '@writ/ledger/domain';
import * as z from 'zod';

const json: z.ZodType<Json> = z.json();

/** What happens to one observation. The subject is its id (`mem_…`). */
export const memoryEvents = {
  'memory.remembered.v1': z.object({
    /** Decides who may read it, for example `repo/<id>`. */
    scope: z.string().min(1),
    /** Verbatim. */
    text: z.string().min(1),
    attributes: z.record(z.string(), json),
    /** The run in which it was observed. */
    run: z.string().exactOptional(),
  }),
  'memory.forgotten.v1': z.object({ scope: z.string().min(1), reason: z.string() }),
};

export type MemoryEvent = {
  [T in keyof typeof memoryEvents]: { type: T; data: z.infer<(typeof memoryEvents)[T]> };
}[keyof typeof memoryEvents];
