import { z } from 'zod';
import { capabilitiesSchema } from '../principal/capability.js';

/** What happens to a run's grant. The subject is the run's id (`run_…`). */
export const grantEvents = {
  'grant.issued.v1': z.object({
    run: z.string(),
    agent: z.string(),
    /** The run that started this one. */
    parent: z.string().exactOptional(),
    /** Whom the run acts for, nearest first: parent run, its agent, ..., the person at the root. */
    chain: z.array(z.string()),
    details: capabilitiesSchema,
    /** 0 for a run that no other run started. */
    depth: z.number().int().nonnegative(),
    /** The run whose budget pays for what is done with its tokens. */
    budget: z.string().exactOptional(),
  }),
  'grant.closed.v1': z.object({ run: z.string() }),
};
export type GrantEvent = {
  [T in keyof typeof grantEvents]: { type: T; data: z.infer<(typeof grantEvents)[T]> };
}[keyof typeof grantEvents];
