import type { Settings } from '../config/settings.js';
import { Refused } from '../failure/refused.js';

/** `GET /.well-known/writ` */
export interface Beginnings {
  readonly issuer: string;
  readonly audience: string;
  readonly grpc: string;
  readonly mcp: string;
}

/** Tokens of whoever the settings name; got when the first is needed, and again shortly before it ends. */
export function tokensOf(settings: Settings, beginnings: () => Promise<Beginnings>): () => Promise<string> {
  const { token, keyFile, foreign } = settings;
  if (token) return async () => token.value;
  if (!keyFile)
    return async () => {
      throw new Refused('auth.missing_token', `there is no identity to call ${settings.url.value} with`, {
        hint: foreign
          ? `the identity from ${foreign.source} is for ${foreign.url}; name a key file with --key-file`
          : 'name a key file with --key-file or WRIT_KEY_FILE; `writ dev` brings one of its own',
      });
    };
  let current: Promise<{ value: string; expires: Date }> | undefined;
  let renewAt = Number.POSITIVE_INFINITY;
  const get = async () => {
    const { OAuthClient, readKeyFile } = await import('@writ/sdk/oauth');
    const [{ issuer, audience }, key] = await Promise.all([beginnings(), readKeyFile(keyFile.value)]);
    const got = await new OAuthClient(issuer, key, fetch).own(audience);
    renewAt = got.expires.getTime() - 30_000;
    return got;
  };
  return async () => {
    if (!current || Date.now() >= renewAt) {
      renewAt = Number.POSITIVE_INFINITY;
      current = get();
    }
    return (await current).value;
  };
}
