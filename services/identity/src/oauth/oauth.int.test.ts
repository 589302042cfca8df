import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KeySet, TokenVerifier, type RefusedCall, type VerifiedToken } from '@writ/enforcement';
import { verifies } from '@writ/testkit';
import Fastify, { type FastifyInstance } from 'fastify';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, type JWK } from 'jose';
import * as openid from 'openid-client';
import { TestPartition, everything, may } from '../testing/partition.js';
import { OAuthClient, accessToken } from '../testing/oauth-client.js';
import type { TokenIssued } from '../token/token.events.js';
import { mountProvider, type RequestHandler } from './mount.js';
import { makeProvider } from './provider.js';
import { Resources } from './resources.js';
import { memoryStorage } from './storage.fake.js';

const partition = new TestPartition();
const registered = new Map<string, OAuthClient>();
let fastify: FastifyInstance;
let handler: RequestHandler | undefined;
let issuer = '';
let verifier: TokenVerifier;
const refused: RefusedCall[] = [];
let agent: OAuthClient;
let helper: OAuthClient;

async function register(id: string, actions: readonly string[]): Promise<OAuthClient> {
  const client = await OAuthClient.create(id, () => issuer);
  partition.do(id.startsWith('agt_') ? 'agent' : 'person', id, {
    type: 'create',
    name: id,
    capabilities: [may(actions)],
    holds: everything,
    key: client.key,
  });
  registered.set(id, client);
  return client;
}

beforeAll(async () => {
  fastify = Fastify();

  const probe = Fastify();
  const port = new URL(await probe.listen({ host: '127.0.0.1', port: 0 })).port;
  await probe.close();
  issuer = `http://127.0.0.1:${port}/oauth`;
  await mountProvider(fastify, issuer, () => handler);
  await fastify.listen({ host: '127.0.0.1', port: Number(port) });
  verifier = new TokenVerifier({ issuer, keys: new KeySet({ url: `${issuer}/jwks` }) });
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk: JWK = { ...(await exportJWK(privateKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const provider = makeProvider(
    {
      issuer,
      resources: new Resources('urn:writ:api', issuer, 300),
      tokenTtlS: 300,
      verifier,
      storage: memoryStorage(),
      directory: {
        find: (id) => {
          const client = registered.get(id);
          return Promise.resolve(
            client && { id, kind: id.startsWith('agt_') ? 'agent' : 'person', tenant: 'tnt_a', keys: [client.key] },
          );
        },
      },
      issue: (tenant, jti, command) =>
        Promise.resolve().then(
          () => (partition.do('token', jti, { ...command }, tenant)[0] as { data: TokenIssued }).data,
        ),
      refused: (call) => refused.push(call),
    },
    [jwk as never],
  );
  handler = provider.callback();
  agent = await register('agt_a', ['run.*', 'tool.call']);
  helper = await register('agt_b', ['memory.read']);
});

afterAll(() => fastify.close());

const claims = async (raw: string): Promise<VerifiedToken> => verifier.verify(raw);
const details = (actions: readonly string[], resources?: readonly string[]) =>
  JSON.stringify([may(actions, resources)]);

describe('metadata', () => {
  test('is where RFC 8414 and OpenID Connect Discovery look for it, and names only what works', async () => {
    const { origin } = new URL(issuer);
    const at = async (url: string) => (await (await fetch(url)).json()) as Record<string, unknown>;
    const inserted = await at(`${origin}/.well-known/oauth-authorization-server/oauth`);
    expect(inserted).toMatchObject({
      issuer,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      grant_types_supported: expect.arrayContaining([
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ]),
      response_types_supported: ['code'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256'],
      code_challenge_methods_supported: ['S256'],
      authorization_details_types_supported: ['writ'],
    });
    expect(inserted['grant_types_supported']).not.toContain('implicit');
    expect(await at(`${origin}/.well-known/openid-configuration/oauth`)).toEqual(inserted);
    expect(await at(`${issuer}/.well-known/openid-configuration`)).toEqual(inserted);
  });

  test('does not follow the host that a request claims', async () => {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`, {
      headers: { 'x-forwarded-host': 'evil.example' },
    });
    expect(await response.json()).toMatchObject({ token_endpoint: `${issuer}/token` });
  });
});

describe('client_credentials', () => {
  test('works with a certified client and gives an RFC 9068 token', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const client = await register('agt_openid', ['run.read']);
    const { kid } = client.key;
    Object.assign(client.key, { jwk: await exportJWK(publicKey) });
    const server = await openid.discovery(
      new URL(issuer),
      'agt_openid',
      undefined,
      openid.PrivateKeyJwt({ key: privateKey, kid }),
      {
        algorithm: 'oauth2',
        execute: [openid.allowInsecureRequests],
      },
    );
    const tokens = await openid.clientCredentialsGrant(server, { resource: 'urn:writ:api' });
    expect(decodeProtectedHeader(tokens.access_token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' });
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      iss: issuer,
      aud: 'urn:writ:api',
      sub: 'agt_openid',
      client_id: 'agt_openid',
      tenant: 'tnt_a',
      kind: 'agent',
      jti: expect.stringMatching(/^tok_/),
      authorization_details: [may(['run.read'])],
    });
    expect(tokens['authorization_details']).toEqual([may(['run.read'])]);
    expect(tokens.expires_in).toBe(300);
  });

  test('narrows what the principal holds, and refuses more', async () => {
    const raw = await agent.token({ authorization_details: details(['run.read']) });
    expect((await claims(raw)).grant).toEqual([may(['run.read'])]);
    verifies('identity.exceeds_parent');
    const more = await agent.request({
      grant_type: 'client_credentials',
      authorization_details: details(['memory.read']),
    });
    expect(more).toMatchObject({
      status: 400,
      body: {
        error: 'invalid_authorization_details',
        error_description: expect.stringMatching(/^identity\.exceeds_parent: /),
      },
    });
  });

  test.each([
    ['[]'],
    ['{}'],
    ['[{"type":"other"}]'],
    ['[{"type":"writ","actions":["a b"]}]'],
    ['[{"type":"writ","actions":["*"],"more":1}]'],
  ])('refuses the authorization details %s', async (authorization_details) => {
    const answer = await agent.request({ grant_type: 'client_credentials', authorization_details });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_authorization_details' } });
  });

  test('issues for resources of this installation only', async () => {
    const { origin } = new URL(issuer);
    expect((await claims(await agent.token({ resource: `${origin}/mcp` }))).audience).toEqual([`${origin}/mcp`]);
    const other = await agent.request({ grant_type: 'client_credentials', resource: 'https://other.example/' });
    expect(other).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
  });
});

describe('a client is who it proves to be', () => {
  const own = { grant_type: 'client_credentials' };

  test('an assertion counts once, also when it is sent twice at the same moment', async () => {
    verifies('identity.assertion_replay');
    const client_assertion = await agent.assertion();
    const answers = await Promise.all([1, 2, 3].map(() => agent.request({ ...own, client_assertion })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    expect(await agent.request({ ...own, client_assertion })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client', error_description: expect.stringMatching(/^identity\.assertion_replayed: /) },
    });
    expect(refused.at(-1)).toMatchObject({
      error: { code: 'identity.assertion_replayed' },
      by: { tenant: 'tnt_a', actor: { principal: 'agt_a', kind: 'agent' } },
    });
  });

  test('an assertion of one client is none of another whose id begins alike', async () => {
    verifies('tenants.apart');
    const longer = await register('agt_a1', ['run.read']);
    const sent = [await agent.assertion({ jti: '1-2' }), await longer.assertion({ jti: '-2' })];
    const answers = await Promise.all(sent.map((client_assertion) => agent.request({ ...own, client_assertion })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  test.each([
    ['for another audience', { aud: 'https://other.example' }, 'assertion_audience'],
    ['for two audiences', (): object => ({ aud: [issuer, 'https://other.example'] }), 'assertion_audience'],
    ['with a long life', { exp: Math.floor(Date.now() / 1000) + 3_600 }, 'assertion_invalid'],
    ['that has expired', { exp: Math.floor(Date.now() / 1000) - 60 }, 'assertion_expired'],
    ['without an id', { jti: undefined }, 'assertion_invalid'],
  ])('an assertion %s is refused with its code, and told of as nobody’s', async (_what, more, code) => {
    const client_assertion = await agent.assertion(
      (typeof more === 'function' ? more() : more) as Record<string, unknown>,
    );
    expect(await agent.request({ ...own, client_assertion })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client', error_description: expect.stringContaining(`identity.${code}: `) },
    });
    expect(refused.at(-1)).toMatchObject({ error: { code: `identity.${code}` }, method: { name: 'oauth.token' } });
    expect(refused.at(-1)?.by).toBeUndefined();
  });

  test('a key that is not registered, an unknown client and a request without proof are refused', async () => {
    const stranger = await OAuthClient.create('agt_a', () => issuer);
    expect(await stranger.request(own)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    const unknown = await OAuthClient.create('agt_unknown', () => issuer);
    expect(await unknown.request(own)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...own, client_id: 'agt_a' }),
    });
    expect(response.status).toBe(401);
  });
});

describe('token exchange', () => {
  beforeAll(() => {
    partition.do('grant', 'run_1', { type: 'issue', agent: 'agt_a', onBehalfOf: ['psn_1'] });
    partition.do('grant', 'run_2', {
      type: 'issue',
      agent: 'agt_b',
      parent: 'run_1',
      details: [may(['tool.call'], ['files/*'])],
    });
  });

  test('gives a run’s token with the chain of actors', async () => {
    const answer = await helper.exchange(await helper.token(), { run: 'run_2', resource: 'urn:writ:api' });
    expect(answer.body).toMatchObject({
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 300,
    });
    expect(decodeJwt(accessToken(answer))).toMatchObject({
      sub: 'agt_b',
      run: 'run_2',
      authorization_details: [may(['tool.call'], ['files/*'])],
      act: { sub: 'run_2', act: { sub: 'run_1', act: { sub: 'agt_a', act: { sub: 'psn_1' } } } },
    });
  });

  test('refuses a run’s token with more than its grant, and a run that does not exist', async () => {
    verifies('identity.exceeds_parent');
    const token = await helper.token();
    expect(await helper.exchange(token, { run: 'run_2', authorization_details: details(['tool.call']) })).toMatchObject(
      {
        status: 400,
        body: {
          error: 'invalid_authorization_details',
          error_description: expect.stringMatching(/^identity\.exceeds_parent: /),
        },
      },
    );
    expect(await helper.exchange(token, { run: 'run_none' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant', error_description: expect.stringMatching(/^identity\.grant_not_found: /) },
    });
  });

  test('hands authority on to a sub-agent: narrowed, named, never longer than the original', async () => {
    const original = await agent.token();
    const handed = accessToken(
      await agent.exchange(original, { authorization_details: details(['tool.call'], ['files/*']), may_act: 'agt_b' }),
    );
    const taken = await claims(accessToken(await helper.exchange(handed)));
    expect(taken).toMatchObject({ principal: 'agt_b', act: ['agt_a'], grant: [may(['tool.call'], ['files/*'])] });
    expect(taken.from).toEqual([(await claims(original)).id, (await claims(handed)).id]);
    expect(taken.expiresMs).toBeLessThanOrEqual((await claims(original)).expiresMs);
    const more = await helper.exchange(handed, { authorization_details: details(['tool.call']) });
    expect(more).toMatchObject({ status: 400, body: { error: 'invalid_authorization_details' } });
    const thief = await register('agt_thief', ['*']);
    expect(await thief.exchange(handed)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });

  test('refuses what is no token of ours, and types it does not know', async () => {
    expect(await agent.exchange('nonsense')).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const token = await agent.token();
    expect(await agent.exchange(token, { subject_token_type: 'urn:x' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    const anotherType = await agent.exchange(token, {
      requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
    });
    expect(anotherType).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('refuses everything that rests on something revoked', async () => {
    const client = await register('agt_gone', ['run.read']);
    const token = await client.token();
    partition.do('revocation', 'agt_gone', { type: 'revoke', reason: 'test' });
    for (const answer of [await client.request({ grant_type: 'client_credentials' }), await client.exchange(token)])
      expect(answer).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant', error_description: expect.stringMatching(/^identity\.revoked: /) },
      });
  });
});

test.each(['agt_a\u0000', '\ud800', '__proto__', '../x', 'agt_' + 'x'.repeat(10_000)])(
  'a client id that nobody can have (%j) is no client, and no error',
  async (id) => {
    expect(await agent.as(id).request({ grant_type: 'client_credentials' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
  },
);

test.each([
  ['GET', '/authorize?client_id=agt_a&response_type=code&request_uri=http%3A%2F%2F169.254.169.254%2F'],
  ['POST', '/authorize'],
])('%s %s is there, as the metadata says, and refuses everybody', async (method, path) => {
  verifies('identity.serves_what_it_names');
  const { origin } = new URL(issuer);
  const metadata = await (await fetch(`${origin}/.well-known/oauth-authorization-server/oauth`)).json();
  expect(metadata).toMatchObject({ authorization_endpoint: `${issuer}/authorize` });
  const answer = await fetch(`${issuer}${path}`, { method, redirect: 'manual' });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: 'unauthorized_client' });
});

test.each([
  ['POST', '/reg'],
  ['POST', '/request'],
  ['POST', '/token/introspection'],
  ['POST', '/token/revocation'],
  ['GET', '/session/end'],
  ['GET', '/me'],
  ['POST', '/device/auth'],
])('%s %s is not there', async (method, path) => {
  verifies('identity.only_tokens');
  expect((await fetch(`${issuer}${path}`, { method, redirect: 'manual' })).status).toBe(404);
});

test('authority is handed on to agents and people only', async () => {
  const token = await agent.token();
  for (const may_act of ['operator', 'agt_\u0000', 'agt_' + 'x'.repeat(60), 'run_1'])
    expect((await agent.exchange(token, { may_act })).status).toBe(400);
});

test('other grants and the token endpoint without a form are refused', async () => {
  for (const grant_type of ['implicit', 'password', 'authorization_code', 'refresh_token'])
    expect((await agent.request({ grant_type })).status).toBe(400);
  const json = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(json.status).toBe(400);
});
