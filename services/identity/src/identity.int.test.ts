import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { newId } from '@writ/ledger/domain';
import { eventually, verifies } from '@writ/testkit';
import { decodeJwt, generateKeyPair, exportJWK } from 'jose';
import { accessToken, type OAuthClient } from './testing/oauth-client.js';
import { Installation, expectOk } from './testing/installation.js';
import { may } from './testing/partition.js';

let all: Installation;
let tenant: string;
let person: OAuthClient;
let agent: OAuthClient;
let helper: OAuthClient;

beforeAll(async () => {
  all = await Installation.start();
  tenant = await all.tenant();
  person = await all.principal(tenant, 'people', ['*'], { groups: ['release'] });
  agent = await all.principal(tenant, 'agents', ['run.*', 'tool.call', 'agent.read']);
  helper = await all.principal(tenant, 'agents', ['memory.read']);
});
afterAll(() => all[Symbol.asyncDispose]());

const run = () => newId('run');
const revokeCommand: { type: string; reason: string } = { type: 'revoke', reason: 'test' };
const events = async (type: string): Promise<LedgerEvent[]> => {
  const found: LedgerEvent[] = [];
  for await (const commit of all.ledger.read('identity', 0))
    found.push(...commit.events.filter((event) => event.type === type));
  return found;
};
const revoke = async (subject: string) =>
  expectOk(await all.call(await person.token(), 'POST', '/v1/revocations', { subject, reason: 'test' }));

test('whoever has a token learns who they are, whatever else they may', async () => {
  const poor = await all.principal(tenant, 'agents', ['tool.call']);
  const who = await all.call(await poor.token(), 'GET', '/v1/whoami');
  expect(expectOk(who)).toMatchObject({ principal: poor.id, capabilities: [{ actions: ['tool.call'] }] });
  expect(await all.call('not a token', 'GET', '/v1/whoami')).toMatchObject({ status: 401 });
});

test('from the operator’s key to an agent’s accepted call, with every token on the record', async () => {
  const token = await agent.token({ resource: 'urn:writ:api' });
  expect(await all.verdict(token)).toBe('accepted');
  expect(expectOk(await all.call(token, 'GET', '/v1/whoami'))).toMatchObject({
    principal: agent.id,
    kind: 'agent',
    tenant,
  });
  const { jti } = decodeJwt(token);
  const issued = (await events('token.issued.v1')).find(({ subject }) => subject === jti);
  expect(issued).toMatchObject({
    tenant,
    actor: { principal: agent.id, kind: 'agent' },
    data: { principal: agent.id, audience: 'urn:writ:api' },
  });
  expect(JSON.stringify(await events('signing_key.activated.v1'))).not.toContain('"d":');
});

describe('the registry', () => {
  test('lists newest first, page by page, and only one’s own tenant', async () => {
    const other = await all.tenant();
    for (let i = 0; i < 3; i++) await all.principal(other, 'agents', ['run.read']);
    const boss = await all.principal(other, 'people', ['agent.*', 'person.*']);
    const token = await boss.token();
    const first = expectOk(await all.call(token, 'GET', '/v1/agents?page_size=2'));
    const second = expectOk(
      await all.call(token, 'GET', `/v1/agents?page_size=2&page_token=${String(first['nextPageToken'])}`),
    );
    const ids = [first, second].flatMap((page) => (page['agents'] as { id: string }[]).map(({ id }) => id));
    expect(new Set(ids).size).toBe(3);
    expect(second['nextPageToken'] ?? '').toBe('');
    expect(expectOk(await all.call(token, 'GET', '/v1/people'))['people']).toMatchObject([
      { id: boss.id, state: 'active' },
    ]);
    expect(await all.call(token, 'GET', `/v1/agents/${agent.id}`)).toMatchObject({
      status: 404,
      body: { code: 'identity.agent_not_found' },
    });
    expect(await all.call(token, 'GET', '/v1/agents?page_token=nonsense')).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
  });

  test('creates each id once in an installation, and the same again as often as it is asked', async () => {
    const id = `agt_${newId('x').slice(2)}`;
    const draft = {
      id,
      name: 'chosen',
      jwk: JSON.stringify(helper.key.jwk),
      capabilities: [{ actions: ['run.read'] }],
    };
    const create = async (body: object, writTenant = tenant) =>
      all.call(await all.operator.token(), 'POST', '/v1/agents', body, { 'writ-tenant': writTenant });
    expect((await create(draft)).status).toBe(200);
    expect((await create(draft)).status).toBe(200);
    expect(await create({ ...draft, name: 'other' })).toMatchObject({
      status: 409,
      body: { code: 'identity.agent_exists' },
    });
    expect(await create(draft, await all.tenant())).toMatchObject({
      status: 409,
      body: { code: 'identity.agent_exists' },
    });
    expect(await create({ ...draft, id: 'agt_ no' })).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(await create({ ...draft, id: '' }, 'tnt_none')).toMatchObject({
      status: 404,
      body: { code: 'identity.tenant_not_found' },
    });
  });

  test('refuses private keys, other curves and points beside the curve', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const other = await generateKeyPair('ES384', { extractable: true });
    const beside = { ...(await exportJWK(publicKey)), y: 'A'.repeat(43) };
    for (const jwk of [await exportJWK(privateKey), await exportJWK(other.publicKey), beside, 'text']) {
      const body = { name: 'x', jwk: JSON.stringify(jwk), capabilities: [] };
      expect(await all.call(await person.token(), 'POST', '/v1/agents', body)).toMatchObject({
        status: 400,
        body: { code: 'identity.invalid_key' },
      });
    }
  });

  test('lets nobody create an agent that holds more than they do', async () => {
    verifies('identity.exceeds_parent');
    const clerk = await all.principal(tenant, 'people', ['agent.write']);
    const jwk = JSON.stringify(helper.key.jwk);
    const body = { name: 'puppet', jwk, capabilities: [{ actions: ['tool.call'] }] };
    expect(await all.call(await clerk.token(), 'POST', '/v1/agents', body)).toMatchObject({
      status: 403,
      body: { code: 'identity.exceeds_parent' },
    });
    const key = await all.call(await clerk.token(), 'POST', `/v1/agents/${agent.id}/keys`, { jwk });
    expect(key).toMatchObject({ status: 403, body: { code: 'identity.exceeds_parent' } });
  });

  test.each(['agents', 'people'] as const)(
    'tells one of two tenants that give %s one id at once that it is taken',
    async (kind) => {
      verifies('tenants.apart');
      const id = newId(kind === 'agents' ? 'agt' : 'psn');
      const body = { id, name: 'twin', jwk: JSON.stringify(helper.key.jwk), capabilities: [] };
      const [token, both] = [await all.operator.token(), [await all.tenant(), await all.tenant()]];
      const answers = await Promise.all(
        both.map((each) => all.call(token, 'POST', `/v1/${kind}`, body, { 'writ-tenant': each })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
        code: kind === 'agents' ? 'identity.agent_exists' : 'identity.person_exists',
      });
    },
  );

  test('rotates an agent’s key: the new one works at once, the old one not any more', async () => {
    const before = await all.principal(tenant, 'agents', ['run.read']);
    const after = (await all.principal(tenant, 'agents', ['run.read'])).as(before.id);
    const jwk = JSON.stringify(after.key.jwk);
    const body = { jwk, retire_others: true };
    expectOk(await all.call(await person.token(), 'POST', `/v1/agents/${before.id}/keys`, body));
    expect(await all.verdict(await after.token())).toBe('accepted');
    expect(await before.request({ grant_type: 'client_credentials' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
  });

  test('keeps to the resources that a capability names', async () => {
    verifies('api.resource_of_capability');
    const narrow = await all.principal(tenant, 'people', ['agent.*', 'person.*', 'identity.revoke']);
    const resources = [agent.id, 'psn_none'];
    const wanted = JSON.stringify([may(['agent.*', 'person.*', 'identity.revoke'], resources)]);
    const token = await narrow.token({ authorization_details: wanted });
    const refused = { status: 403, body: { code: 'auth.missing_capability' } };
    const jwk = JSON.stringify(helper.key.jwk);
    const other = `/v1/agents/${helper.id}`;
    expectOk(await all.call(token, 'GET', `/v1/agents/${agent.id}`));
    expect(expectOk(await all.call(token, 'GET', '/v1/agents'))['agents']).toMatchObject([{ id: agent.id }]);
    expect(expectOk(await all.call(token, 'GET', '/v1/people'))['people']).toEqual([]);
    for (const call of [
      all.call(token, 'GET', other),
      all.call(token, 'POST', `${other}/keys`, { jwk }),
      all.call(token, 'DELETE', `${other}/keys/${helper.key.kid}`),
      all.call(token, 'PUT', `${other}/capabilities`, { capabilities: [] }),
      all.call(token, 'POST', '/v1/agents', { name: 'x', jwk, capabilities: [] }),
      all.call(token, 'GET', `/v1/people/${person.id}`),
      all.call(token, 'POST', `/v1/people/${person.id}/keys`, { jwk }),
      all.call(token, 'POST', '/v1/revocations', { subject: helper.id, reason: 'x' }),
      all.call(token, 'POST', '/v1/revocations', { subject: helper.id, reason: 'x', validateOnly: true }),
    ])
      expect(await call).toMatchObject(refused);
  });

  test('leaves what concerns every tenant to operators, whatever else somebody holds', async () => {
    verifies('identity.operator_only');
    const token = await person.token();
    for (const [method, path, body] of [
      ['POST', '/v1/tenants', { name: 'mine' }],
      ['GET', '/v1/tenants', undefined],
      ['POST', '/v1/signingKeys:rotate', {}],
    ] as const)
      expect(await all.call(token, method, path, body)).toMatchObject({
        status: 403,
        body: { code: 'identity.operator_only' },
      });
  });

  test('takes positions of its own only', async () => {
    for (const after of ['x', 'identity/07/1/0', 'policy/00/1/0'])
      expect(await all.call(await person.token(), 'GET', `/v1/agents?after=${after}`)).toMatchObject({
        status: 400,
        body: { code: 'request.invalid' },
      });
  });

  test('sets capabilities on the version that was read', async () => {
    const other = await all.principal(tenant, 'agents', ['run.read']);
    const token = await person.token();
    const { agent: read } = expectOk(await all.call(token, 'GET', `/v1/agents/${other.id}`)) as {
      agent: { etag: string };
    };
    const put = (etag: string) =>
      all.call(token, 'PUT', `/v1/agents/${other.id}/capabilities`, {
        capabilities: [{ actions: ['memory.read'] }],
        etag,
      });
    expectOk(await put(read.etag));
    expect(decodeJwt(await other.token())['authorization_details']).toEqual([may(['memory.read'])]);
    expect(await put(read.etag)).toMatchObject({ status: 412, body: { code: 'identity.changed_meanwhile' } });
  });
});

describe('a call is refused', () => {
  test('each time with its own code, and each time on the record', async () => {
    verifies('enforcement.refusal_codes');
    const gone = await all.principal(tenant, 'agents', ['run.read']);
    const revoked = await gone.token();
    await revoke(gone.id);
    expect(await all.verdict(undefined)).toBe('auth.missing_token');
    expect(await all.verdict('nonsense')).toBe('auth.invalid_token');
    expect(await all.verdict(await agent.token({ resource: `${all.base}/mcp` }))).toBe('auth.wrong_audience');
    expect(await all.verdict(await agent.token(), 'run.read', { 'writ-tenant': 'tnt_other' })).toBe(
      'auth.wrong_tenant',
    );
    expect(await all.verdict(await agent.token(), 'memory.read')).toBe('auth.missing_capability');
    await eventually(async () => (await all.verdict(revoked)) === 'auth.revoked');
    await eventually(async () => {
      const codes = (await events('action.refused.v1')).map(({ data }) => (data as { code: string }).code);
      return [
        'missing_token',
        'invalid_token',
        'wrong_audience',
        'wrong_tenant',
        'missing_capability',
        'revoked',
      ].every((code) => codes.includes(`auth.${code}`));
    });
  });
});

describe('runs', () => {
  test('get tokens from their grants, narrower with each delegation', async () => {
    const [parent, child] = [run(), run()];
    await all.grant(tenant, parent, { agent: agent.id, onBehalfOf: [person.id] });
    await all.grant(tenant, child, { agent: helper.id, parent, details: [may(['tool.call'], ['files/read_file'])] });
    const token = await helper.runToken(child);
    expect(decodeJwt(token)).toMatchObject({
      sub: helper.id,
      run: child,
      act: { sub: child, act: { sub: parent, act: { sub: agent.id, act: { sub: person.id } } } },
      authorization_details: [may(['tool.call'], ['files/read_file'])],
    });
    expect(await all.verdict(token, 'tool.call')).toBe('accepted');
    expect(expectOk(await all.call(await agent.runToken(parent), 'GET', '/v1/whoami'))).toMatchObject({
      run: parent,
      onBehalfOf: [person.id],
    });
  });

  test('cannot give a child more than they hold, neither by the grant nor by the exchange', async () => {
    verifies('identity.exceeds_parent');
    const [parent, child] = [run(), run()];
    await all.grant(tenant, parent, {
      agent: agent.id,
      details: [may(['run.start']), may(['tool.call'], ['files/*'])],
    });
    const more = all.grant(tenant, child, { agent: helper.id, parent, details: [may(['tool.call'])] });
    await expect(more).rejects.toMatchObject({ code: 'identity.exceeds_parent' });
    await all.grant(tenant, child, { agent: helper.id, parent, details: [may(['tool.call'], ['files/read_file'])] });
    const exchange = await helper.exchange(await helper.token(), {
      run: child,
      authorization_details: JSON.stringify([may(['tool.call'], ['files/*'])]),
    });
    expect(exchange).toMatchObject({
      status: 400,
      body: {
        error: 'invalid_authorization_details',
        error_description: expect.stringMatching(/^identity\.exceeds_parent: /),
      },
    });
  });

  test('lose their tokens when they end', async () => {
    const id = run();
    await all.grant(tenant, id, { agent: agent.id });
    const token = await agent.runToken(id);
    expect(await all.verdict(token)).toBe('accepted');
    const actor = { principal: 'scheduler', kind: 'service' } as const;
    await all.ledger
      .commands('identity')
      .send({ tenant, aggregate: 'grant', subject: id, actor, command: { type: 'close' } });
    await eventually(async () => (await all.verdict(token)) === 'auth.revoked');
  });
});

describe('a revocation', () => {
  test('of a run takes its whole subtree, says which runs, and leaves the rest', async () => {
    verifies('identity.revoked_subtree');
    const [root, middle, leaf, beside] = [run(), run(), run(), run()];
    await all.grant(tenant, root, { agent: agent.id });
    await all.grant(tenant, middle, { agent: helper.id, parent: root, details: [may(['run.start', 'run.read'])] });
    await all.grant(tenant, leaf, { agent: helper.id, parent: middle });
    await all.grant(tenant, beside, { agent: helper.id, parent: root, details: [may(['run.read'])] });
    const tokens = await Promise.all([helper.runToken(middle), helper.runToken(leaf), helper.runToken(beside)]);
    const preview = expectOk(
      await all.call(await person.token(), 'POST', '/v1/revocations', {
        subject: middle,
        reason: 'x',
        validate_only: true,
      }),
    );
    const receipt = await revoke(middle);
    expect(receipt).toMatchObject({ grants: 2, runs: [middle, leaf].sort() });
    expect(preview).toMatchObject({ grants: 2, runs: receipt['runs'] });
    await eventually(async () => (await all.verdict(tokens[1] as string)) === 'auth.revoked');
    expect(await all.verdict(tokens[0] as string)).toBe('auth.revoked');
    expect(await all.verdict(tokens[2] as string)).toBe('accepted');
    expect((await helper.exchange(await helper.token(), { run: leaf })).body).toMatchObject({ error: 'invalid_grant' });
    await expect(all.grant(tenant, run(), { agent: helper.id, parent: leaf })).rejects.toMatchObject({
      code: 'identity.revoked',
    });
    expect(await revoke(middle)).toEqual({ ...receipt, position: expect.any(String) });
  });

  test('of one token leaves its agent’s other tokens, but takes what was derived from it', async () => {
    const [one, two] = [await agent.token(), await agent.token()];
    const derived = accessToken(
      await agent.exchange(one, { authorization_details: JSON.stringify([may(['run.read'])]) }),
    );
    expect(await all.verdict(derived)).toBe('accepted');
    await revoke(decodeJwt(one).jti as string);
    await eventually(async () => (await all.verdict(one)) === 'auth.revoked');
    expect(await all.verdict(derived)).toBe('auth.revoked');
    expect(await all.verdict(two)).toBe('accepted');
  });

  test('is known at an enforcement point within milliseconds of its acknowledgement', async () => {
    verifies('identity.revocation_latency');
    const latencies: number[] = [];
    const roundTrips: number[] = [];
    for (let i = 0; i < 10; i++) {
      const target = await all.principal(tenant, 'agents', ['run.read']);
      const token = await target.token();
      const known = new Promise<number>((resolve) => {
        const stop = all.enforcement.onRevoked(({ subject }) => {
          if (subject !== target.id) return;
          stop();
          resolve(performance.now());
        });
      });
      const actor = { principal: person.id, kind: 'person' } as const;
      const sent = performance.now();
      await all.ledger.commands('identity').send({
        tenant,
        aggregate: 'revocation',
        subject: target.id,
        actor,
        command: revokeCommand,
      });
      const acknowledged = performance.now();
      roundTrips.push(acknowledged - sent);
      latencies.push((await known) - acknowledged);
      expect(await all.verdict(token)).toBe('auth.revoked');
    }
    const median = (all: number[]) => all.sort((a, b) => a - b)[5] as number;
    // On a machine that has other things to do, a few times what the acknowledgement itself took.
    expect(median(latencies)).toBeLessThan(Math.max(50, 3 * median(roundTrips)));
  });

  test('of a tenant is the operator’s, and takes everyone in it', async () => {
    const doomed = await all.tenant();
    const boss = await all.principal(doomed, 'people', ['*']);
    const token = await boss.token();
    const body = { subject: doomed, reason: 'bankrupt' };
    expect(await all.call(token, 'POST', '/v1/revocations', body)).toMatchObject({
      status: 403,
      body: { code: 'identity.operator_only' },
    });
    expectOk(await all.call(await all.operator.token(), 'POST', '/v1/revocations', body));
    await eventually(async () => (await all.verdict(token)) === 'auth.revoked');
    expect((await boss.request({ grant_type: 'client_credentials' })).status).toBe(401);
  });

  test('reaches no other tenant', async () => {
    const other = await all.tenant();
    const stranger = await all.principal(other, 'people', ['*']);
    const token = await agent.token();
    for (const subject of [agent.id, decodeJwt(token).jti as string])
      await all.call(await stranger.token(), 'POST', '/v1/revocations', { subject, reason: 'spite' });
    await revoke(run()); // a later one, so that the others have been taken in
    expect(await all.verdict(token)).toBe('accepted');
  });
});

test('a rotation keeps tokens of the old key valid, and signs new ones with the new key', async () => {
  verifies('identity.rotation_overlap');
  const before = await agent.token();
  const { kid } = expectOk(await all.call(await all.operator.token(), 'POST', '/v1/signingKeys:rotate', {}));
  const after = await agent.token();
  const kidOf = (token: string) =>
    (JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString()) as { kid: string }).kid;
  expect(kidOf(after)).toBe(kid);
  expect(kidOf(before)).not.toBe(kid);
  expect([await all.verdict(before), await all.verdict(after)]).toEqual(['accepted', 'accepted']);
  const { keys } = (await (await fetch(`${all.issuer}/jwks`)).json()) as { keys: { kid: string; d?: string }[] };
  expect(keys.map((key) => key.kid)).toEqual([kid, kidOf(before)]);
  expect(keys.every((key) => key.d === undefined)).toBe(true);
});

test('what two seconds of silence mean: everything is refused, until identity is back', async () => {
  verifies('identity.fail_closed');
  const token = await agent.token();
  expect(await all.verdict(token)).toBe('accepted');
  await all.identity.stop();
  const stopped = performance.now();
  let accepted = stopped;
  await eventually(async () => {
    const asked = performance.now();
    const verdict = await all.verdict(token);
    if (verdict === 'accepted') accepted = asked;
    return verdict === 'auth.revocation_unknown';
  });
  expect(accepted - stopped).toBeLessThan(2_500); // whoever asked later was refused
  await all.startIdentity();
  await eventually(async () => (await all.verdict(token)) === 'accepted', { timeoutMs: 10_000 });
  expect(await all.verdict(await agent.token())).toBe('accepted');
});
