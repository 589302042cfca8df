import { BaseConfig } from '@writ/platform';
import * as z from 'zod';

/** The scheduler's environment. */
export const SchedulerConfig = BaseConfig.extend({
  /** How long a run may take to stop by itself after it was cancelled. */
  WRIT_CANCEL_GRACE_MS: z.coerce.number().int().min(0).max(600_000).default(30_000),
  /** How often runs are looked for that are too old for the rules of their tenant. */
  WRIT_RETENTION_SWEEP_MS: z.coerce.number().int().min(50).max(86_400_000).default(3_600_000),
  /** How long what steps write is held at most, for who watches; hours. */
  WRIT_DELTAS_HOURS: z.coerce.number().positive().max(8760).default(24),
  /** How much of it, of all runs together; MiB. The oldest goes first. */
  WRIT_DELTAS_MIB: z.coerce.number().int().min(1).default(1024),
  /** How much streams that clients make may hold, all together; MiB. Beyond it appends are refused. */
  WRIT_STREAMS_MIB: z.coerce.number().int().min(1).default(1024),
});
export type SchedulerConfig = z.infer<typeof SchedulerConfig>;
