import { BaseConfig, readConfig } from '@writ/platform';

/** Memory needs nothing beyond what every service reads. */
export function parseConfig(env: Record<string, string | undefined>): BaseConfig {
  return readConfig(BaseConfig, env);
}
