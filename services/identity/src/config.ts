import type { Capability } from '@writ/ledger/domain';
import { BaseConfig } from '@writ/platform';
import { z } from 'zod';

/** The longest a token may live: enforcement points forget revocations that are older than this by a margin. */
export const maxTokenTtlS = 600;

/** What services may do in every tenant, beyond what they do for a caller. */
export const serviceCapabilities = {
  /** Runs MCP servers that speak over stdio in sandboxes. */
  svc_tools: [{ type: 'writ', actions: ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop'] }],
} as const satisfies Record<string, Capability[]>;

const services = Object.keys(serviceCapabilities) as (keyof typeof serviceCapabilities)[];
const ServiceKeys = z.partialRecord(z.enum(services), z.record(z.string(), z.unknown()));

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const IdentityConfig = BaseConfig.extend({
  /** Public JWK (EC P-256, JSON) of the operator, the first identity of an installation. Absent: there is no operator. */
  WRIT_OPERATOR_JWK: z.string().optional(),
  /** Public JWKs of services that act by themselves, by their client id: `{"svc_tools": {…}}`. What each may do is not configured. */
  WRIT_SERVICE_JWKS: z
    .string()
    .transform((text, context) => {
      const parsed = ServiceKeys.safeParse(safeJson(text));
      if (parsed.success) return parsed.data;
      context.addIssue({
        code: 'custom',
        message: `must be JSON like {"svc_tools": {<public JWK>}}, for ${services.join(', ')}`,
      });
      return z.NEVER;
    })
    .optional(),
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
