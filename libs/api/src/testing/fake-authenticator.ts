import { permits, refuse, type Actor, type Capability } from '@writ/ledger/domain';
import type { Authenticator, CalledMethod, Headers, Identity } from '../kernel/caller.js';

/** What a fake token says; everything has a default. */
export interface FakeToken {
  tenant?: string;
  principal?: string;
  kind?: Actor['kind'];
  /** Actions, over every resource; or whole capabilities. Default: all. */
  grant?: readonly (string | Capability)[];
  run?: string;
  tokenId?: string;
  /** ISO 8601; default: in an hour. */
  expires?: string;
  audience?: string;
}

const PREFIX = 'Bearer fake.';

/** The value of an `authorization` header that the {@link FakeAuthenticator} takes. */
export function fakeToken(token: FakeToken = {}): string {
  return PREFIX + Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** Verifies {@link fakeToken}s, with every refusal of the real one. For tests of what stands behind an Authenticator. */
export class FakeAuthenticator implements Authenticator {
  private readonly revoked = new Set<string>();
  /** False: as if nothing was heard from identity for too long. */
  fresh = true;

  constructor(private readonly now: () => number = Date.now) {}

  /** From now on tokens with this id, principal, run or tenant are refused. */
  revoke(subject: string): void {
    this.revoked.add(subject);
  }

  async authenticate(headers: Headers, method: CalledMethod): Promise<Identity> {
    const rawToken = headers.get('authorization');
    if (rawToken === undefined) throw refuse('auth.missing_token', 'there is no authorization header');
    const token = read(rawToken);
    const identity = identityOf(token, rawToken, this.now());
    if ((token.audience ?? 'urn:writ:api') !== 'urn:writ:api')
      throw refuse('auth.wrong_audience', 'the token is for someone else');
    if (identity.expires.getTime() <= this.now()) throw refuse('auth.token_expired', 'the token has expired');
    if (!this.fresh) throw refuse('auth.revocation_unknown', 'identity was not heard for too long');
    for (const subject of [identity.tokenId, identity.principal, identity.run, identity.tenant])
      if (subject !== undefined && this.revoked.has(subject)) throw refuse('auth.revoked', `${subject} was revoked`);
    if (method.requires !== undefined && !permits(identity.grant, method.requires))
      throw refuse('auth.missing_capability', `${method.name} needs ${method.requires}`, {
        capability: method.requires,
      });
    return identity;
  }
}

function read(rawToken: string): FakeToken {
  try {
    if (!rawToken.startsWith(PREFIX)) throw new Error('another scheme');
    return JSON.parse(Buffer.from(rawToken.slice(PREFIX.length), 'base64url').toString()) as FakeToken;
  } catch (cause) {
    throw refuse('auth.invalid_token', `the token is not valid: ${String(cause)}`);
  }
}

function identityOf(token: FakeToken, rawToken: string, now: number): Identity {
  const { tenant = 'tnt_test', principal = 'agt_test', kind = 'agent', tokenId = 'jti_test', run } = token;
  const grant = (token.grant ?? ['*']).map((each): Capability =>
    typeof each === 'string' ? { type: 'writ', actions: [each] } : each,
  );
  return {
    tenant,
    principal,
    kind,
    actor: { principal, kind, token: tokenId, ...(run && { run }) },
    grant,
    ...(run && { run }),
    tokenId,
    expires: token.expires ? new Date(token.expires) : new Date(now + 3_600_000),
    rawToken,
    revocationEpoch: 0,
  };
}
