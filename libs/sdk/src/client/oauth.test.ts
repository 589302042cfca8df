import { describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';
import { OAuthClient, type AccessToken } from './oauth.js';
import { TokenCache } from './tokens.js';

const issuer = 'http://writ.test/oauth';

async function authorizationServer(answer: (form: URLSearchParams) => Response) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const [jwk, publicJwk] = [await exportJWK(privateKey), await exportJWK(publicKey)];
  const forms: URLSearchParams[] = [];
  const asked: string[] = [];
  const fetch = (async (url: string | URL, init?: RequestInit) => {
    asked.push(String(url));
    if (!init) return Response.json({ token_endpoint: `${issuer}/token` });
    forms.push(init.body as URLSearchParams);
    return answer(init.body as URLSearchParams);
  }) as typeof globalThis.fetch;
  return { client: new OAuthClient(issuer, { clientId: 'agt_1', jwk }, fetch), forms, asked, publicJwk };
}
const token = (value: string) => () => Response.json({ access_token: value, expires_in: 300 });

describe('the client of the authorization server', () => {
  test('finds the endpoint in the metadata and proves itself with its key', async () => {
    const { client, forms, asked, publicJwk } = await authorizationServer(token('t1'));
    const before = Date.now();
    const got = await client.own('urn:writ:api');
    expect(got.value).toBe('t1');
    expect(got.expires.getTime()).toBeGreaterThanOrEqual(before + 300_000);
    expect(asked).toEqual(['http://writ.test/.well-known/oauth-authorization-server/oauth', `${issuer}/token`]);
    const form = Object.fromEntries(forms[0] ?? []);
    expect(form).toMatchObject({ grant_type: 'client_credentials', resource: 'urn:writ:api', client_id: 'agt_1' });
    const { payload, protectedHeader } = await jwtVerify(
      String(form['client_assertion']),
      await importJWK(publicJwk, 'ES256'),
      { audience: issuer, issuer: 'agt_1', subject: 'agt_1' },
    );
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: await calculateJwkThumbprint(publicJwk) });
    expect(payload.exp! - payload.iat!).toBe(60);
    await client.own('urn:writ:api');
    expect(new Set(forms.map((each) => each.get('client_assertion'))).size).toBe(2); // an assertion is good once
  });

  test("exchanges its own token for a run's (RFC 8693)", async () => {
    const { client, forms } = await authorizationServer(token('t2'));
    await client.forRun('run_1', 'own', 'urn:writ:api');
    expect(Object.fromEntries(forms[0] ?? [])).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'own',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      run: 'run_1',
    });
  });

  test.each([
    [{ error: 'invalid_client' }, 401, 'auth.invalid_client', false],
    [
      { error: 'invalid_grant', error_description: 'identity.revoked: the agent agt_1 was revoked' },
      400,
      'identity.revoked',
      false,
    ],
    [{ error: 'temporarily_unavailable' }, 503, 'service.unavailable', true],
  ])('a refusal %j has a code', async (body, status, code, retryable) => {
    const { client } = await authorizationServer(() => Response.json(body, { status }));
    await expect(client.own('urn:writ:api')).rejects.toMatchObject({ code, retryable });
  });
});

describe('the cache of tokens', () => {
  function cached() {
    let now = 0;
    const made: AccessToken[] = [];
    const cache = new TokenCache(
      async () => {
        made.push({ value: `t${made.length}`, expires: new Date(now + 300_000) });
        return made.at(-1)!;
      },
      () => now,
    );
    return { cache, made, pass: (ms: number) => (now += ms) };
  }

  test('asks once, however many wait, and again shortly before the end', async () => {
    const { cache, made, pass } = cached();
    expect(await Promise.all([cache.get(), cache.get()])).toEqual(['t0', 't0']);
    pass(269_000);
    expect(await cache.get()).toBe('t0');
    pass(2_000);
    expect(await cache.get()).toBe('t1');
    expect(made).toHaveLength(2);
  });

  test('drops a token that was refused, and no other', async () => {
    const { cache } = cached();
    await cache.get();
    cache.drop('another');
    expect(await cache.get()).toBe('t0');
    cache.drop('t0');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await cache.get()).toBe('t1');
  });

  test('does not remember a failure', async () => {
    let fails = true;
    const cache = new TokenCache(async () => {
      if (fails) throw new Error('no');
      return { value: 't', expires: new Date(Date.now() + 60_000) };
    });
    await expect(cache.get()).rejects.toThrow('no');
    fails = false;
    expect(await cache.get()).toBe('t');
  });
});
