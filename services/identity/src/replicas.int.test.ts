import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import { Installation } from './testing/installation.js';
import { OAuthClient } from './testing/oauth-client.js';

let all: Installation;
let tenant: string;
let agent: OAuthClient;

beforeAll(async () => {
  all = await Installation.start();
  tenant = await all.tenant();
  agent = await all.principal(tenant, 'agents', ['run.read']);
});
afterAll(() => all[Symbol.asyncDispose]());

test('a second replica signs with the same keys and takes over when the first one leaves', async () => {
  const first = await agent.token();
  const { origin } = new URL(all.issuer);
  const second = await all.startReplica();
  const jwks = async (base: string) =>
    ((await (await fetch(`${base}/oauth/jwks`)).json()) as { keys: { kid: string }[] }).keys;
  expect(await jwks(second.httpUrl)).toEqual(await jwks(origin));
  const onSecond = agent.at(`${second.httpUrl}/oauth`);
  expect(await all.verdict(await onSecond.token())).toBe('accepted');
  await all.identity.stop();
  await eventually(async () => (await onSecond.request({ grant_type: 'client_credentials' })).status === 200);
  await eventually(async () => (await all.verdict(first)) === 'accepted');
  await second.stop();
  await all.startIdentity();
  await eventually(async () => (await all.verdict(first)) === 'accepted');
});

test('another operator key replaces the one before', async () => {
  const before = all.operator;
  const after = (await OAuthClient.create('operator', () => all.issuer)).as('operator');
  const own = { grant_type: 'client_credentials' };
  const replica = await all.startReplica({ WRIT_OPERATOR_JWK: JSON.stringify(after.key.jwk) });
  expect((await after.request(own)).status).toBe(200);
  expect(await before.request(own)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  await replica.stop();
  const back = await all.startReplica();
  expect((await before.request(own)).status).toBe(200);
  await back.stop();
});

test('a service that acts by itself has the few capabilities of its code', async () => {
  const service = await OAuthClient.create('svc_tools', () => all.issuer);
  const replica = await all.startReplica({ WRIT_SERVICE_JWKS: JSON.stringify({ svc_tools: service.key.jwk }) });
  const token = await service.token();
  expect(await all.verdict(token, 'sandbox.exec', { 'writ-tenant': tenant })).toBe('accepted');
  expect(await all.verdict(token, 'run.read')).toBe('auth.missing_capability');
  await replica.stop();
});

test('a token is refused when its time is over', async () => {
  verifies('enforcement.refusal_codes');
  const brief = await all.startReplica({ WRIT_TOKEN_TTL_S: '1' });
  const token = await agent.at(`${brief.httpUrl}/oauth`).token();
  await brief.stop();
  await eventually(async () => (await all.verdict(token)) === 'auth.token_expired', { timeoutMs: 5_000 });
});

test('while the broker is away everything is refused; when it is back, so is everything else', async () => {
  verifies('identity.fail_closed');
  const token = await agent.token();
  await eventually(async () => (await all.verdict(token)) === 'accepted');
  await all.backends.nats.kill();
  await eventually(async () => (await all.verdict(token)) === 'auth.revocation_unknown', { timeoutMs: 5_000 });
  await all.backends.nats.restart();
  await eventually(async () => (await all.verdict(token)) === 'accepted', { timeoutMs: 20_000 });
  expect(await all.verdict(await agent.token())).toBe('accepted');
});
