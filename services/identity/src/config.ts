import { BaseConfig } from '@writ/platform';
import { z } from 'zod';

/** The longest a token may live: enforcement points forget revocations that are older than this by a margin. */
export const maxTokenTtlS = 600;

export const IdentityConfig = BaseConfig.extend({
  /** Public JWK (EC P-256, JSON) of the operator, the first identity of an installation. Absent: there is no operator. */
  WRIT_OPERATOR_JWK: z.string().optional(),
  /** How long access tokens live. */
  WRIT_TOKEN_TTL_S: z.coerce.number().int().min(1).max(maxTokenTtlS).default(300),
  /**
   * 32 bytes, base64: seals the private signing keys in Postgres. All replicas need the same one. Absent: made once and
   * kept in `<WRIT_DATA>/identity/secret`, readable by this user alone.
   */
  WRIT_IDENTITY_SECRET: z
    .base64()
    .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64')
    .optional(),
});
export type IdentityConfig = z.infer<typeof IdentityConfig>;
