import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Ledger, type Host } from '@writ/ledger';
import { aggregates, newId, type LedgerEvent } from '@writ/ledger/domain';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { actionAggregate, Enforcement, type ActionRequest } from './index.js';
import { TestIdentity, type TestClaims } from './testing.js';

/** Writes what policy writes, unchecked. */
const policySet = {
  name: 'policy_set',
  initial: 0,
  events: ['policy_set.pushed.v1', 'policy_set.activated.v1'],
  decide: ({ version, text }: { type: 'push'; version: string; text: string }) => [
    { type: 'policy_set.pushed.v1', data: { version, files: [{ name: 'p', text }], policies: 1 } },
    { type: 'policy_set.activated.v1', data: { version, mode: 'enforce', policies: 1 } },
  ],
  evolve: (count: number) => count + 1,
};

let nats: NatsServer;
let ledger: Ledger;
let identity: TestIdentity;
let hosts: Host[];
let enforcement: Enforcement;

const options = (of: Ledger) => ({ ledger: of, issuer: identity.issuer, audience: ['urn:writ:api'], service: 'tools' });
const started = async (of: Ledger): Promise<Enforcement> => {
  const point = await Enforcement.start(options(of));
  await eventually(() => point.health.ready(), { what: 'the enforcement point is ready', timeoutMs: 15_000 });
  return point;
};
const push = async (text: string): Promise<void> => {
  const version = newId('v');
  const command = { type: 'push', version, text } as { type: string };
  await ledger.commands('policy').send({
    tenant: 'tnt_1',
    aggregate: 'policy_set',
    subject: 'tnt_1',
    command,
    actor: { principal: 'psn_1', kind: 'person' },
  });
  await eventually(() => enforcement.policies.version('tnt_1') === version, { what: 'the policies have arrived' });
};

beforeAll(async () => {
  nats = await startSuiteNats();
  ledger = await Ledger.connect({ servers: nats.url });
  identity = await TestIdentity.start(ledger);
  hosts = [
    await ledger.host({ service: 'policy', partitions: 1, model: aggregates([policySet]) }),
    await ledger.host({ service: 'tools', model: aggregates([actionAggregate]) }),
  ];
  await Promise.all(hosts.map(({ ready }) => ready));
  enforcement = await started(ledger);
});
beforeEach(() => push('permit(principal, action, resource);'));
afterAll(async () => {
  await enforcement.stop();
  await Promise.all(hosts.map((host) => host.stop()));
  await identity.stop();
  await ledger.drain();
  await nats.stop();
});

type Request = Omit<ActionRequest<string>, 'summary'>;
const requestOf = async (
  point: Enforcement,
  over: Partial<Request> = {},
  claims: TestClaims = {},
): Promise<Request> => ({
  caller: await identity.caller(point.authenticator, claims),
  action: 'tool.call',
  resource: { type: 'Tool', id: 'files/read' },
  arguments: { path: 'a' },
  effectId: newId('act'),
  ...over,
});
const never = (): Promise<string> => Promise.reject(new Error('it must not be performed'));
const events = async (): Promise<LedgerEvent[]> => {
  const all: LedgerEvent[] = [];
  for (let partition = 0; partition < 4; partition++) {
    for await (const commit of ledger.read('tools', partition)) all.push(...commit.events);
  }
  return all;
};

describe('two enforcement points', () => {
  test('perform an effect once; when the one that has begun it is gone, the other does not guess', async () => {
    verifies('enforcement.effect_once', 'enforcement.unknown_outcome');
    const elsewhere = await Ledger.connect({ servers: nats.url });
    const other = await started(elsewhere);
    const begun = Promise.withResolvers<void>();
    const request = await requestOf(other);
    const readable = await requestOf(other, { effect: 'read' });
    void other.perform(request, () => new Promise(() => begun.resolve())).catch(() => undefined);
    await begun.promise;
    const reading = Promise.withResolvers<void>();
    void other.perform(readable, () => new Promise(() => reading.resolve())).catch(() => undefined);
    await reading.promise;
    await expect(enforcement.perform(request, never)).rejects.toMatchObject({ code: 'action.in_progress' });

    await elsewhere.nc.close();
    await eventually(
      () => enforcement.perform(request, never).then(({ outcome }) => outcome === 'unknown', () => false),
      { what: 'the broker has noticed that it is gone' },
    ); // prettier-ignore
    expect(await enforcement.perform(readable, () => Promise.resolve('again'))).toMatchObject({
      outcome: 'done',
      value: 'again',
    });
    expect(await enforcement.perform(request, never)).toMatchObject({ outcome: 'unknown' });
  });

  test('see a new policy as soon as they have read it, each decision under one version', async () => {
    const request = await requestOf(enforcement);
    expect((await enforcement.perform(request, () => Promise.resolve('x'))).decision.outcome).toBe('allow');
    const before = enforcement.policies.version('tnt_1');
    await push('@id("stop") forbid(principal, action, resource);');
    const denied = await enforcement.perform({ ...request, effectId: newId('act') }, never);
    expect(denied).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ policy: 'stop' }], policyVersion: enforcement.policies.version('tnt_1') },
    });
    expect(denied.decision.policyVersion).not.toBe(before);
  });
});

describe('refusals at the door', () => {
  const knock = (authorization?: string) =>
    enforcement.authenticator
      .authenticate(new Map(authorization === undefined ? [] : [['authorization', authorization]]), { name: 'test.v1.Test.Call', public: false })
      .then(() => 'accepted', (error: { code: string }) => error.code); // prettier-ignore

  test('without a token are counted together when there are many, and none is lost', async () => {
    verifies('enforcement.refusal_codes', 'enforcement.refusals_recorded');
    const missing = (all: LedgerEvent[]) =>
      all.filter(
        ({ type, data }) => type === 'action.refused.v1' && (data as { code: string }).code === 'auth.missing_token',
      );
    expect(new Set(await Promise.all(Array.from({ length: 500 }, () => knock())))).toEqual(
      new Set(['auth.missing_token']),
    );
    const counted = async () =>
      missing(await events()).reduce((sum, { data }) => sum + ((data as { count?: number }).count ?? 1), 0);
    await eventually(async () => (await counted()) === 500, { what: 'all 500 are in the ledger' });
    expect(missing(await events()).length).toBeLessThan(200);
    expect(missing(await events())[0]).toMatchObject({
      tenant: 'system',
      actor: { principal: 'anonymous' },
      data: { action: 'test.v1.Test.Call' },
    });
  });

  test('with a genuine token name its principal, and hold nothing of the token itself', async () => {
    const token = await identity.token({ aud: 'urn:other', sub: 'agt_lost' });
    expect(await knock(`Bearer ${token}`)).toBe('auth.wrong_audience');
    const mine = (all: LedgerEvent[]) => all.find(({ actor }) => actor.principal === 'agt_lost');
    await eventually(async () => mine(await events()) !== undefined, { what: 'the refusal is in the ledger' });
    expect(mine(await events())).toMatchObject({
      tenant: 'tnt_1',
      actor: { kind: 'agent' },
      data: { code: 'auth.wrong_audience' },
    });
    expect(JSON.stringify(await events())).not.toContain(token.slice(-40));
  });
});

test('a watched caller is told of its revocation, in the middle of what it does', async () => {
  const caller = await identity.caller(enforcement.authenticator, { sub: 'agt_watched' });
  using watched = await enforcement.watch(caller);
  expect(watched.signal.aborted).toBe(false);
  await identity.revoke('agt_somebody', 'agent');
  await identity.revoke('agt_watched', 'agent');
  await eventually(() => watched.signal.aborted, { what: 'the signal' });
  expect(watched.signal.reason).toMatchObject({ code: 'auth.revoked' });
  await expect(enforcement.watch(caller)).rejects.toMatchObject({ code: 'auth.revoked' });
});

test('without the broker nothing is performed; with it again everything goes on', async () => {
  const request = await requestOf(enforcement);
  await nats.kill();
  await eventually(
    () => enforcement.perform(request, never).then(() => false, (error: { code?: string }) => error.code === 'auth.revocation_unknown'),
    { what: 'everything is refused', timeoutMs: 20_000 },
  ); // prettier-ignore
  await nats.restart();
  await eventually(() => enforcement.health.ready(), { what: 'identity is heard again', timeoutMs: 20_000 });
  const again = { ...request, effectId: newId('act') };
  await eventually(
    () => enforcement.perform(again, () => Promise.resolve('x')).then(({ outcome }) => outcome === 'done' || outcome === 'replayed', () => false),
    { what: 'an action is performed', timeoutMs: 20_000 },
  ); // prettier-ignore
}, 90_000);
