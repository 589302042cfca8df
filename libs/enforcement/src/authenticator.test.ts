import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import type { JWTPayload } from 'jose';
import { TokenAuthenticator, type RefusedCall } from './authenticator.js';
import type { Revocations } from './revocations.follower.js';
import { TestIssuer } from './tokens.testing.js';
import { TokenVerifier } from './tokens.js';

const method = { name: 'writ.run.v1.RunService.StartRun', requires: 'run.start', public: false };
let issuer: TestIssuer;
let authenticator: TokenAuthenticator;
let refused: RefusedCall[];
let lost: { subject: string; ended: boolean } | undefined;
let fresh: boolean;
let looks = 0;

beforeEach(async () => {
  issuer = new TestIssuer();
  await issuer.rotate('k1');
  refused = [];
  lost = undefined;
  fresh = true;
  const revocations: Revocations = { epoch: 7, ageMs: () => 0, fresh: () => (looks++, fresh), refuses: () => lost };
  const verifier = new TokenVerifier({ issuer: issuer.issuer, keys: issuer.keySet() });
  authenticator = new TokenAuthenticator({
    verifier,
    revocations,
    audience: ['urn:writ:api'],
    onRefused: (call) => refused.push(call),
  });
});

const call = async (claims: JWTPayload = {}, headers: Record<string, string> = {}) => {
  const all: Record<string, string> = { authorization: `Bearer ${await issuer.sign(claims)}`, ...headers };
  return authenticator.authenticate({ get: (name) => all[name] }, method);
};
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: { code: string }) => error.code,
  );

test('a caller is who the token says, with its chain as actor', async () => {
  const act = { sub: 'run_1', act: { sub: 'psn_1' } };
  expect(await call({ run: 'run_1', act })).toMatchObject({
    tenant: 'tnt_a',
    principal: 'agt_1',
    kind: 'agent',
    actor: { principal: 'agt_1', kind: 'agent', onBehalfOf: ['psn_1'], run: 'run_1', token: 'tok_1' },
    run: 'run_1',
    tokenId: 'tok_1',
    revocationEpoch: 7,
  });
});

test('a call that comes while identity’s word is on its way waits for it', async () => {
  fresh = false;
  const waiting = code(call());
  setTimeout(() => (fresh = true), 50);
  expect(await waiting).toBe('accepted');
});

test('calls that come while nothing is heard are refused, and one wait is that of all', async () => {
  fresh = false;
  looks = 0;
  const calls = Array.from({ length: 50 }, () => code(call()));
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['auth.revocation_unknown']));
  expect(looks).toBeLessThan(500); // of its own each would look a hundred times
});

describe('each refusal has its own code', () => {
  test('and is told to whoever records it, with the token where it was genuine', async () => {
    verifies('enforcement.refusal_codes');
    const none = { get: () => undefined };
    expect(await code(authenticator.authenticate(none, method))).toBe('auth.missing_token');
    expect(await code(call({}, { authorization: 'Basic YTpi' }))).toBe('auth.missing_token');
    expect(await code(call({}, { authorization: 'Bearer nonsense' }))).toBe('auth.invalid_token');
    expect(await code(call({ exp: 1 }))).toBe('auth.token_expired');
    expect(await code(call({ aud: 'urn:other' }))).toBe('auth.wrong_audience');
    expect(await code(call({}, { 'writ-tenant': 'tnt_b' }))).toBe('auth.wrong_tenant');
    expect(await code(call({ authorization_details: [{ type: 'writ', actions: ['run.read'] }] }))).toBe(
      'auth.missing_capability',
    );
    lost = { subject: 'agt_1', ended: false };
    expect(await code(call())).toBe('auth.revoked');
    fresh = false;
    expect(await code(call())).toBe('auth.revocation_unknown');
    expect(refused.map(({ error, by }) => [error.code, by?.actor.token])).toEqual([
      ['auth.missing_token', undefined],
      ['auth.missing_token', undefined],
      ['auth.invalid_token', undefined],
      ['auth.token_expired', undefined],
      ['auth.wrong_audience', 'tok_1'],
      ['auth.wrong_tenant', 'tok_1'],
      ['auth.missing_capability', 'tok_1'],
      ['auth.revoked', 'tok_1'],
      ['auth.revocation_unknown', 'tok_1'],
    ]);
  });
});

test('only an operator may name another tenant', async () => {
  expect(await call({ kind: 'operator', sub: 'operator', tenant: 'system' }, { 'writ-tenant': 'tnt_b' })).toMatchObject(
    { tenant: 'tnt_b' },
  );
  expect(await call({}, { 'writ-tenant': 'tnt_a' })).toMatchObject({ tenant: 'tnt_a' });
  for (const wanted of ['tnt_a/agt_1', '__proto__', '', 'tnt_', `tnt_${'x'.repeat(60)}`])
    expect(await code(call({ kind: 'operator', sub: 'operator', tenant: 'system' }, { 'writ-tenant': wanted }))).toBe(
      'auth.wrong_tenant',
    );
});

test('a key that is not ours goes through passport-jwt’s own verifier', async () => {
  const { Strategy } = (await import('passport-jwt')).default;
  const hook = (Strategy as unknown as { JwtVerifier(...args: unknown[]): void }).JwtVerifier;
  const forged = await issuer.sign({ kind: 'operator' });
  const outcome = await new Promise((resolve) =>
    hook(forged, { token: { principal: 'operator' } }, {}, (error: unknown) => resolve(error)),
  );
  expect(outcome).toBeInstanceOf(Error);
});
