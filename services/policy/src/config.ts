import { BaseConfig, readConfig } from '@writ/platform';

/** Policy needs nothing beyond what every service reads. */
export function parseConfig(env: Record<string, string | undefined>): BaseConfig {
  return readConfig(BaseConfig, env);
}
