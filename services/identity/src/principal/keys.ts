import { z } from 'zod';
import { refuse } from '@writ/ledger/domain';

/** A public EC P-256 key (RFC 7517). Strict: a JWK that carries `d` is a private key and never gets in. */
export const publicJwkSchema = z
  .object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string().length(43), y: z.string().length(43) })
  .strict();
export type PublicJwk = z.infer<typeof publicJwkSchema>;

/** A key and its RFC 7638 thumbprint, which is its only name. */
export const keySchema = z.object({ kid: z.string().min(1).max(64), jwk: publicJwkSchema });
export type Key = z.infer<typeof keySchema>;

/** The keys that may sign a client assertion today, oldest first. */
export type Keys = readonly Key[];

/** How many keys one principal may have at a time: enough to rotate, too few to hide one. */
export const maxKeys = 8;

/** Which keys are added: none if the key is already there. Throws `identity.too_many_keys`. */
export function newKeys(keys: Keys, key: Key): readonly Key[] {
  if (keys.some((known) => known.kid === key.kid)) return [];
  if (keys.length >= maxKeys) throw refuse('identity.too_many_keys', `at most ${maxKeys} keys; retire one first`);
  return [key];
}

/** Which key ids are retired: none if it is not there any more. Throws `identity.last_key`. */
export function retiredKeys(keys: Keys, kid: string): readonly string[] {
  if (!keys.some((known) => known.kid === kid)) return [];
  if (keys.length === 1) throw refuse('identity.last_key', `${kid} is the only key; add another before retiring it`);
  return [kid];
}
