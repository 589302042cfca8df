import type { Authenticator, Headers, Identity } from '../kernel/caller.js';

/** What the contract test needs from whoever runs it. Each token is the value of an `authorization` header. */
export interface AuthenticatorUnderTest {
  authenticator: Authenticator;
  /** A valid token of principal `principal` with `run.start` over everything, and nothing else. */
  token: string;
  principal: string;
  tenant: string;
  expired: string;
  wrongAudience: string;
  /** Revokes the authority behind `token`. */
  revoke(): Promise<void> | void;
}

/** A test framework's two functions; jest's and node:test's both fit. */
export interface TestFramework {
  test(name: string, body: () => Promise<void>): void;
  equal(actual: unknown, expected: unknown): void;
}

/** The one contract of every {@link Authenticator}: run it on the fake and on the real one. */
export function authenticatorContract(
  make: () => Promise<AuthenticatorUnderTest>,
  { test, equal }: TestFramework,
): void {
  const method = { name: 'writ.run.v1.RunService.StartRun', requires: 'run.start', public: false };
  const headers = (authorization?: string): Headers => ({
    get: (name) => (name === 'authorization' ? authorization : undefined),
  });
  const codeOf = (promise: Promise<Identity>) =>
    promise.then(
      () => 'accepted',
      (error: { code?: unknown }) => error.code,
    );

  test('a valid token tells who calls', async () => {
    const { authenticator, token, principal, tenant } = await make();
    const identity = await authenticator.authenticate(headers(token), method);
    equal([identity.principal, identity.actor.principal, identity.tenant], [principal, principal, tenant]);
    equal(identity.actor.token, identity.tokenId);
    equal(identity.expires.getTime() > Date.now(), true);
  });
  test('no token, a broken one, an expired one and one for another audience are refused, each with its code', async () => {
    const { authenticator, expired, wrongAudience } = await make();
    equal(await codeOf(authenticator.authenticate(headers(), method)), 'auth.missing_token');
    equal(await codeOf(authenticator.authenticate(headers('Bearer x.y.z'), method)), 'auth.invalid_token');
    equal(await codeOf(authenticator.authenticate(headers('Basic eDp5'), method)), 'auth.invalid_token');
    equal(await codeOf(authenticator.authenticate(headers(expired), method)), 'auth.token_expired');
    equal(await codeOf(authenticator.authenticate(headers(wrongAudience), method)), 'auth.wrong_audience');
  });
  test('a capability that the grant does not hold is refused', async () => {
    const { authenticator, token } = await make();
    const other = { ...method, requires: 'run.cancel' };
    equal(await codeOf(authenticator.authenticate(headers(token), other)), 'auth.missing_capability');
  });
  test('a revoked authority is refused', async () => {
    const { authenticator, token, revoke } = await make();
    await revoke();
    equal(await codeOf(authenticator.authenticate(headers(token), method)), 'auth.revoked');
  });
}
