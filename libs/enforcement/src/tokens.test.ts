import { beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { SignJWT, UnsecuredJWT, exportJWK, generateKeyPair, type JWTPayload } from 'jose';
import { TestIssuer } from './tokens.testing.js';
import { TokenVerifier, onBehalfOf } from './tokens.js';

let issuer: TestIssuer;
let now: number;
let verifier: TokenVerifier;

beforeEach(async () => {
  issuer = new TestIssuer();
  await issuer.rotate('k1');
  now = Date.now();
  verifier = new TokenVerifier({ issuer: issuer.issuer, keys: issuer.keySet(), now: () => now });
});

const code = (raw: string) =>
  verifier.verify(raw).then(
    () => 'accepted',
    (error: { code: string }) => error.code,
  );

test.each(['a\u0000b', '\ud800', 'x'.repeat(10_000), '../../key', '', 'k1 '])(
  'a name that no key can have (%#) is not asked for, and not repeated in the refusal',
  async (kid) => {
    const { privateKey } = await generateKeyPair('ES256');
    const raw = await new SignJWT({ sub: 'agt_1' })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .sign(privateKey);
    await expect(verifier.verify(raw)).rejects.toMatchObject({
      code: 'auth.invalid_token',
      message: expect.stringContaining('(unnamed)'),
    });
    expect(issuer.fetches).toBe(0);
  },
);

describe('a genuine token', () => {
  test('says who uses it, for whom, and what they may do', async () => {
    const act = { sub: 'run_2', act: { sub: 'run_1', act: { sub: 'agt_0', act: { sub: 'psn_1' } } } };
    const token = await verifier.verify(
      await issuer.sign({ run: 'run_2', act, from: ['tok_0'], may_act: { sub: 'agt_9' } }),
    );
    expect(token).toMatchObject({
      principal: 'agt_1',
      kind: 'agent',
      tenant: 'tnt_a',
      id: 'tok_1',
      audience: ['urn:writ:api'],
      grant: [{ type: 'writ', actions: ['run.*'] }],
      run: 'run_2',
      act: ['run_2', 'run_1', 'agt_0', 'psn_1'],
      from: ['tok_0'],
      mayAct: 'agt_9',
    });
    expect(onBehalfOf(token)).toEqual(['run_1', 'agt_0', 'psn_1']);
  });

  test('is verified once: the second time it comes from the cache', async () => {
    const raw = await issuer.sign();
    expect(await verifier.verify(raw)).toBe(await verifier.verify(raw));
    expect(issuer.fetches).toBe(1);
  });

  test('is refused from the moment it expires, also from the cache', async () => {
    verifies('enforcement.refusal_codes');
    const raw = await issuer.sign();
    await verifier.verify(raw);
    now += 301_000;
    expect(await code(raw)).toBe('auth.token_expired');
    expect(await code(await issuer.sign({}, { at: now - 400_000 }))).toBe('auth.token_expired');
  });
});

describe('a token is refused as invalid', () => {
  test.each([
    ['with another issuer', { iss: 'http://issuer.test/other' }],
    ['without an id', { jti: undefined }],
    ['without an expiry', { exp: undefined }],
    ['without a tenant', { tenant: undefined }],
    ['of an unknown kind of principal', { kind: 'service' }],
  ])('%s', async (_what, claims) => {
    expect(await code(await issuer.sign(claims as JWTPayload))).toBe('auth.invalid_token');
  });

  test('with another type, such as an ID token or a client assertion', async () => {
    expect(await code(await issuer.sign({}, { typ: 'JWT' }))).toBe('auth.invalid_token');
  });

  test('without a signature, with a symmetric one, or with a changed one', async () => {
    const claims = {
      iss: issuer.issuer,
      sub: 'agt_1',
      jti: 'tok_1',
      aud: 'urn:writ:api',
      tenant: 'tnt_a',
      kind: 'operator',
    };
    expect(await code(new UnsecuredJWT(claims).setExpirationTime('5m').encode())).toBe('auth.invalid_token');
    const symmetric = new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' })
      .setExpirationTime('5m');
    expect(await code(await symmetric.sign(new Uint8Array(32)))).toBe('auth.invalid_token');
    const [header, payload, signature] = (await issuer.sign()).split('.') as [string, string, string];
    const more = Buffer.from(payload, 'base64url').toString().replace('"agent"', '"operator"');
    expect(await code(`${header}.${Buffer.from(more).toString('base64url')}.${signature}`)).toBe('auth.invalid_token');
    expect(await code('not.a.token')).toBe('auth.invalid_token');
  });
});

describe('keys', () => {
  test('that appear later are fetched when a token names them, the older ones stay good', async () => {
    verifies('identity.rotation_overlap');
    const before = await issuer.sign();
    await verifier.verify(before);
    await issuer.rotate('k2');
    expect(await code(await issuer.sign({ jti: 'tok_2' }))).toBe('accepted');
    expect(await code(await issuer.sign({ jti: 'tok_3' }, { key: 1 }))).toBe('accepted');
    expect(issuer.fetches).toBe(2);
  });

  test('that nobody has cost at most one look in a cooldown', async () => {
    verifier = new TokenVerifier({ issuer: issuer.issuer, keys: issuer.keySet(60_000), now: () => now });
    const other = new TestIssuer();
    for (const kid of ['x1', 'x2', 'x3']) {
      await other.rotate(kid);
      expect(await code(await other.sign())).toBe('auth.invalid_token');
    }
    expect(issuer.fetches).toBe(1);
  });

  test('that are not published any more are forgotten, and without the server no key is trusted for long', async () => {
    let clock = 0;
    const keys = issuer.keySet(0, () => clock);
    expect(await keys.get('k1')).toBeDefined();
    await issuer.rotate('k2');
    issuer.retire();
    clock += 600_001;
    expect(await keys.get('k1')).toBeDefined(); // this look asks again, and does not wait for the answer
    await eventually(async () => (await keys.get('k1')) === undefined);
    expect(await keys.get('k2')).toBeDefined();
    issuer.down = true;
    clock += 1_800_000;
    expect(await keys.get('k2')).toBeDefined();
    clock += 2;
    await expect(keys.get('k2')).rejects.toMatchObject({ code: 'service.unavailable' });
  });

  test('that the ledger announced need no look at the server', async () => {
    const keys = issuer.keySet();
    await keys.add({ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid: 'k9' });
    await keys.add({ kty: 'oct', k: 'AAAA', kid: 'k8' });
    expect(await keys.get('k9')).toBeDefined();
    expect(issuer.fetches).toBe(0);
    expect(await keys.get('k8')).toBeUndefined();
  });

  test('that cannot be read make the answer "unavailable", not "invalid"', async () => {
    issuer.down = true;
    expect(await code(await issuer.sign())).toBe('service.unavailable');
    issuer.down = false;
    expect(await code(await issuer.sign())).toBe('accepted');
  });
});
