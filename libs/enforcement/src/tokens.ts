import { hash } from 'node:crypto';
import { refuse, type Actor, type Capability, type DomainError } from '@writ/ledger/domain';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { z } from 'zod';
import type { KeySet } from './tokens.keys.js';

/** A token whose signature, issuer, type and expiry hold. Audience, revocation and rights are the caller's to check. */
export interface VerifiedToken {
  /** `sub`: the principal that uses it. */
  principal: string;
  kind: Actor['kind'];
  tenant: string;
  /** `jti`. */
  id: string;
  expiresMs: number;
  audience: readonly string[];
  /** `authorization_details` of type `writ`. */
  grant: readonly Capability[];
  run?: string;
  /** The run whose budget pays for what is done with it. */
  budget?: string;
  /** The chain of `act` (RFC 8693 section 4.1), outermost first. For a run's token the first is the run. */
  act: readonly string[];
  /** `jti` of the tokens that it was derived from. */
  from: readonly string[];
  /** The one agent that may exchange it (RFC 8693 section 4.4). */
  mayAct?: string;
  /** Of a person. */
  groups: readonly string[];
}

interface ActClaim {
  sub: string;
  act?: ActClaim | undefined;
}
const actSchema: z.ZodType<ActClaim> = z.lazy(() => z.object({ sub: z.string(), act: actSchema.optional() }));
const capability = z.object({
  type: z.literal('writ'),
  actions: z.array(z.string()),
  resources: z.array(z.string()).exactOptional(),
});
const claimsSchema = z.object({
  sub: z.string().min(1),
  jti: z.string().min(1),
  exp: z.number(),
  aud: z.union([z.string(), z.array(z.string())]),
  tenant: z.string().min(1),
  kind: z.enum(['agent', 'person', 'operator']),
  authorization_details: z.array(capability.or(z.object({ type: z.string() }))).default([]),
  run: z.string().exactOptional(),
  budget: z.string().exactOptional(),
  act: actSchema.exactOptional(),
  from: z.array(z.string()).default([]),
  may_act: z.object({ sub: z.string() }).exactOptional(),
  groups: z.array(z.string()).default([]),
});

export interface TokenVerifierOptions {
  /** Must equal `iss`, character by character. */
  issuer: string;
  keys: Pick<KeySet, 'get'>;
  /** How many verified tokens are remembered. Default 10,000. */
  cacheSize?: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** Verifies access tokens (RFC 9068): ES256 only, `typ` `at+jwt`, this issuer. A repeat costs a hash and a look-up. */
export class TokenVerifier {
  private readonly cache = new Map<string, VerifiedToken>();
  private readonly cacheSize: number;
  private readonly now: () => number;

  constructor(private readonly options: TokenVerifierOptions) {
    this.cacheSize = options.cacheSize ?? 10_000;
    this.now = options.now ?? Date.now;
  }

  /** @throws DomainError `auth.invalid_token`, `auth.token_expired`, `service.unavailable` */
  async verify(raw: string): Promise<VerifiedToken> {
    // By hash, so that a memory dump of the cache holds no usable token.
    const key = hash('sha256', raw, 'base64url');
    const known = this.cache.get(key);
    if (known) {
      if (known.expiresMs > this.now()) return known;
      this.cache.delete(key);
      throw expired();
    }
    const token = await this.check(raw);
    if (this.cache.size >= this.cacheSize) this.cache.delete(this.cache.keys().next().value as string);
    this.cache.set(key, token);
    return token;
  }

  private async check(raw: string): Promise<VerifiedToken> {
    try {
      const { payload } = await jwtVerify(raw, ({ kid }) => this.key(kid), {
        issuer: this.options.issuer,
        typ: 'at+jwt',
        algorithms: ['ES256'],
        requiredClaims: ['exp', 'sub', 'jti', 'aud'],
        currentDate: new Date(this.now()),
      });
      return tokenOf(payload);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  private async key(kid: string | undefined) {
    // Anyone may write anything here, and refusals are recorded: what is no thumbprint (RFC 7638) is neither asked for nor told.
    const named = kid !== undefined && /^[\w-]{1,64}$/.test(kid) ? kid : undefined;
    const key = named === undefined ? undefined : await this.options.keys.get(named);
    if (key) return key;
    throw refuse(
      'auth.invalid_token',
      `it was signed with the key ${named ?? '(unnamed)'}, which the issuer does not have`,
    );
  }
}

function tokenOf(payload: JWTPayload): VerifiedToken {
  const parsed = claimsSchema.safeParse(payload);
  if (!parsed.success)
    throw refuse('auth.invalid_token', `its claims cannot be read: ${z.prettifyError(parsed.error)}`);
  const { sub, jti, exp, aud, authorization_details: details, act, run, may_act: mayAct, ...rest } = parsed.data;
  return {
    ...rest,
    principal: sub,
    id: jti,
    expiresMs: exp * 1000,
    audience: typeof aud === 'string' ? [aud] : aud,
    grant: details.filter((entry): entry is Capability => entry.type === 'writ' && 'actions' in entry),
    act: chainOf(act),
    ...(run === undefined ? {} : { run }),
    ...(mayAct === undefined ? {} : { mayAct: mayAct.sub }),
  };
}

function chainOf(act: ActClaim | undefined): string[] {
  const chain: string[] = [];
  for (let link = act; link; link = link.act) chain.push(link.sub);
  return chain;
}

function expired(): DomainError {
  return refuse('auth.token_expired', 'the token has expired; ask for a new one');
}

function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return expired();
  // What jose says names the claim or the part that is wrong, never the token.
  if (error instanceof errors.JOSEError) return refuse('auth.invalid_token', error.message);
  return error;
}

/** Whom the holder acts for, nearest first: the chain without the run itself. */
export function onBehalfOf(token: Pick<VerifiedToken, 'act' | 'run'>): readonly string[] {
  return token.act.filter((id) => id !== token.run);
}
