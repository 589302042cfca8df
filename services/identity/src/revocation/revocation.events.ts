import { z } from 'zod';

/** What authority can be taken from. */
export const revocable = ['agent', 'person', 'run', 'token', 'tenant'] as const;
export type Revocable = (typeof revocable)[number];

/**
 * Authority was taken away, for good. Every enforcement point follows these. `epoch` counts them over the whole
 * installation from 1; the partition gives it, not the decider (see identity.model).
 */
export const revocationEvents = {
  'revocation.issued.v1': z.object({
    /** `agt_…`, `psn_…`, `run_…`, `tok_…` or `tnt_…`. */
    subject: z.string(),
    kind: z.enum(revocable),
    reason: z.string().min(1).max(500),
    epoch: z.number().int().nonnegative(),
  }),
};
export type RevocationEvent = {
  type: 'revocation.issued.v1';
  data: z.infer<(typeof revocationEvents)['revocation.issued.v1']>;
};
