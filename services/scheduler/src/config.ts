import { BaseConfig } from '@writ/platform';
import * as z from 'zod';

/** The scheduler's environment. */
export const SchedulerConfig = BaseConfig.extend({
  /** How long a run may take to stop by itself after it was cancelled. */
  WRIT_CANCEL_GRACE_MS: z.coerce.number().int().min(0).max(600_000).default(30_000),
});
export type SchedulerConfig = z.infer<typeof SchedulerConfig>;
