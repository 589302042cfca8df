import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator, CalledMethod, Headers, Identity } from '@writ/api';
import { DomainError, permits, refuse, type Actor } from '@writ/ledger/domain';
import { BearerStrategy } from './authenticator.strategy.js';
import type { Revocations } from './revocations.follower.js';
import { heartbeatEveryMs } from './revocations.freshness.js';
import { onBehalfOf, type TokenVerifier, type VerifiedToken } from './tokens.js';

/** A call that was not let in. */
export interface RefusedCall {
  error: DomainError;
  method: Pick<CalledMethod, 'name' | 'requires'>;
  /** Who called, where that is certain. */
  by?: { tenant: string; actor: Actor };
}

export interface TokenAuthenticatorOptions {
  verifier: Pick<TokenVerifier, 'verify'>;
  revocations: Revocations;
  /** A token must be made for one of these (RFC 8707). */
  audience: readonly string[];
  /** Told of every refusal before it goes out; must not throw. */
  onRefused?: (refused: RefusedCall) => void;
}

/** Where no word of identity is fresh, one that lives is heard in this time: it speaks, the broker having answered it, twice as often. */
const hearMs = 2 * heartbeatEveryMs;
const hearEveryMs = 10;

/** Names the tenant that an operator acts in; for everyone else it may only repeat their own. */
export const tenantHeader = 'writ-tenant';

/**
 * The one admission step of REST, gRPC and MCP: genuine token, right audience, not revoked, right tenant, capability.
 * Each failure has its own code of `authErrors`.
 */
export class TokenAuthenticator implements Authenticator {
  private readonly strategy: BearerStrategy;
  private hearing: Promise<void> | undefined;

  constructor(private readonly options: TokenAuthenticatorOptions) {
    this.strategy = new BearerStrategy(options.verifier);
  }

  async authenticate(headers: Headers, method: CalledMethod): Promise<Identity> {
    let token: VerifiedToken | undefined;
    try {
      token = await this.strategy.verify(headers.get('authorization'));
      if (!token) throw refuse('auth.missing_token', `${method.name} needs a token`);
      await this.untilFresh();
      return this.admit(token, headers, method);
    } catch (error) {
      if (error instanceof DomainError)
        this.options.onRefused?.({
          error,
          method,
          ...(token && { by: { tenant: token.tenant, actor: actorOf(token) } }),
        });
      throw error;
    }
  }

  /**
   * After a stall of this process the word of identity lies in the socket, behind the call that is asked about: it is waited for,
   * a moment only. What is decided is decided on fresh knowledge as ever.
   */
  async untilFresh(): Promise<void> {
    if (this.options.revocations.fresh()) return;
    // One wait for all calls that come meanwhile: where identity is gone, that are all there are.
    this.hearing ??= this.hear().finally(() => (this.hearing = undefined));
    await this.hearing;
  }

  private async hear(): Promise<void> {
    const { revocations } = this.options;
    for (let waitedMs = 0; waitedMs < hearMs && !revocations.fresh(); waitedMs += hearEveryMs) await sleep(hearEveryMs);
  }

  /**
   * Whether a token that was let in may still act. Long-lived streams ask it again.
   * @throws DomainError `auth.revoked`, `auth.revocation_unknown`, `auth.token_expired`
   */
  check(token: VerifiedToken): void {
    const { revocations } = this.options;
    if (!revocations.fresh())
      throw refuse('auth.revocation_unknown', 'nothing was heard from identity for 2 s, so nobody is trusted');
    const lost = revocations.refuses(token);
    if (lost)
      throw refuse('auth.revoked', lost.ended ? `the run ${lost.subject} has ended` : `${lost.subject} was revoked`, {
        subject: lost.subject,
      });
    if (token.expiresMs <= Date.now()) throw refuse('auth.token_expired', 'the token has expired; ask for a new one');
  }

  private admit(token: VerifiedToken, headers: Headers, method: CalledMethod): Identity {
    const { audience, revocations } = this.options;
    if (!token.audience.some((each) => audience.includes(each)))
      throw refuse(
        'auth.wrong_audience',
        `the token is for ${token.audience.join(', ')}; this is ${audience.join(', ')}`,
      );
    this.check(token);
    const tenant = tenantOf(token, headers.get(tenantHeader));
    if (method.requires !== undefined && !permits(token.grant, method.requires))
      throw refuse('auth.missing_capability', `${method.name} needs the capability ${method.requires}`, {
        requires: method.requires,
      });
    return {
      tenant,
      principal: token.principal,
      kind: token.kind,
      actor: actorOf(token),
      grant: token.grant,
      ...(token.run === undefined ? {} : { run: token.run }),
      tokenId: token.id,
      expires: new Date(token.expiresMs),
      rawToken: headers.get('authorization')?.replace(/^bearer +/i, '') ?? '',
      revocationEpoch: revocations.epoch,
    };
  }
}

/** What an operator may name. Tenants part the keys of every state, so nothing that is no id of one may get there. */
const tenantId = /^(?:tnt_[\w-]{1,59}|system)$/;

function tenantOf(token: VerifiedToken, wanted: string | undefined): string {
  if (wanted === undefined || wanted === token.tenant) return token.tenant;
  if (token.kind === 'operator' && tenantId.test(wanted)) return wanted;
  throw refuse('auth.wrong_tenant', `the token is of the tenant ${token.tenant}, not of ${wanted}`);
}

/** Who acts, as it goes into every event. */
export function actorOf(token: VerifiedToken): Actor {
  const chain = onBehalfOf(token);
  return {
    principal: token.principal,
    kind: token.kind,
    ...(chain.length === 0 ? {} : { onBehalfOf: chain }),
    ...(token.run === undefined ? {} : { run: token.run }),
    token: token.id,
  };
}
