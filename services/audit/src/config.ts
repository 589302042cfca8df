import path from 'node:path';
import { BaseConfig, readConfig } from '@writ/platform';
import * as z from 'zod';

const Config = BaseConfig.extend({
  /** Origin of checkpoints and name of their key (C2SP tlog-checkpoint): a schema-less URL that is yours. */
  WRIT_AUDIT_ORIGIN: z
    .string()
    .regex(/^[^\s+]{1,200}$/)
    .default('writ.local/ledger'),
  /** Folder of tiles, checkpoint and key. Default: `audit` in WRIT_DATA. */
  WRIT_AUDIT_DATA: z.string().optional(),
  /** How often everything is read and compared with the record, beside the look at the streams every 15 s. */
  WRIT_AUDIT_CHECK_MINUTES: z.coerce.number().positive().max(10_080).default(60),
});

/** Audit's configuration. */
export type Config = z.infer<typeof Config>;

/** @throws Error that names every variable that is missing or wrong. */
export function parseConfig(env: Record<string, string | undefined>): Config & { folder: string } {
  const config = readConfig(Config, env);
  return { ...config, folder: config.WRIT_AUDIT_DATA ?? path.join(config.WRIT_DATA, 'audit') };
}
