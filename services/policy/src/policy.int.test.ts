import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ActionRequest, Performed } from '@writ/enforcement';
import type { TestClaims } from '@writ/enforcement/testing';
import { newId, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { eventually, verifies } from '@writ/testkit';
import { Installation } from './testing/installation.js';

const POLICIES = `
  @id("reports") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file") when { context.arguments.path like "out/*" };
  @id("publish") @ask("May it be published?") @expires("2s") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"web/publish");
  @id("no-secrets") @reason("secrets stay") forbid(principal, action, resource == Writ::Tool::"files/write_file") when { context.arguments.path like "*.env" };`;

let all: Installation;
beforeAll(async () => {
  all = await Installation.start();
  await all.register('files/write_file', {
    type: 'object',
    properties: { path: { type: 'string' } },
    required: ['path'],
  });
  await all.register('web/publish', { type: 'object', properties: { page: { type: 'string' } } });
});
afterAll(() => all[Symbol.asyncDispose]());
beforeEach(() => all.push(POLICIES));

type Request = Omit<ActionRequest<string>, 'caller' | 'summary'>;
const write = (path: string, over: Partial<Request> = {}): Request => ({
  action: 'tool.call', resource: { type: 'Tool', id: 'files/write_file' }, arguments: { path }, effectId: newId('act'), ...over,
}); // prettier-ignore
const publish = (over: Partial<Request> = {}): Request =>
  write('', { resource: { type: 'Tool', id: 'web/publish' }, arguments: { page: 'home' }, ...over });

/** Performs as an agent with this token; the code of the refusal instead of an outcome. */
async function perform(request: Request, claims: TestClaims = {}): Promise<Performed<string> | { outcome: string }> {
  try {
    const caller = await all.identity.caller(all.enforcement.authenticator, claims);
    return await all.enforcement.perform({ caller, ...request }, () => Promise.resolve('done'));
  } catch (error) {
    return { outcome: (error as { code?: string }).code ?? String(error) };
  }
}

const refusals = async (): Promise<LedgerEvent[]> =>
  (await all.events('tools')).filter(({ type }) => type === 'action.refused.v1');
const decide = (id: string, verdict: string, claims?: TestClaims, body: object = {}) =>
  all.call('POST', `/v1/approvals/${id}:decide`, { verdict, ...body }, claims);
const code = ({ status, body }: { status: number; body: Record<string, unknown> }) =>
  `${status} ${String(body['code'])}`;

describe('every refusal has its own code, and is in the ledger', () => {
  const past = Math.floor(Date.now() / 1000) - 60;
  const call = async (raw: string | undefined, headers: Record<string, string> = {}) => {
    const given: Record<string, string> = {
      ...(raw === undefined ? {} : { authorization: `Bearer ${raw}` }),
      ...headers,
    };
    const method = { name: 'writ.tools.v1.ToolService.CallTool', requires: 'tool.call', public: false };
    return all.enforcement.authenticator.authenticate({ get: (name) => given[name] }, method).then(
      () => 'accepted',
      (error: { code: string }) => error.code,
    );
  };
  const recorded = (expected: string, tenant: string) =>
    eventually(
      async () =>
        (await refusals()).some(
          (event) => event.tenant === tenant && (event.data as { code: string }).code === expected,
        ),
      {
        what: `${expected} stands in the ledger of ${tenant}`,
      },
    );

  test('at the door: no token, expired, wrong audience, another tenant, missing capability, revoked, not a token', async () => {
    verifies('enforcement.refusals_recorded');
    const token = (claims?: TestClaims) => all.identity.token(claims);
    expect(await call(await token())).toBe('accepted');
    expect(await call(undefined)).toBe('auth.missing_token');
    expect(await call('nonsense')).toBe('auth.invalid_token');
    expect(await call(await token({ exp: past }))).toBe('auth.token_expired');
    expect(await call(await token({ aud: 'urn:other' }))).toBe('auth.wrong_audience');
    expect(await call(await token(), { 'writ-tenant': 'tnt_2' })).toBe('auth.wrong_tenant');
    expect(await call(await token({ authorization_details: [{ type: 'writ', actions: ['run.*'] }] }))).toBe(
      'auth.missing_capability',
    );
    await all.identity.revoke('agt_gone', 'agent');
    await eventually(async () => (await call(await token({ sub: 'agt_gone' }))) === 'auth.revoked', {
      what: 'the revocation arrives',
    });
    for (const expected of ['auth.missing_token', 'auth.invalid_token', 'auth.token_expired'])
      await recorded(expected, 'system');
    for (const expected of ['auth.wrong_audience', 'auth.wrong_tenant', 'auth.missing_capability', 'auth.revoked'])
      await recorded(expected, 'tnt_1');
  });

  test('at the action: arguments outside the policy, a capability on another resource, forbidden, a repeat with other arguments', async () => {
    const only: TestClaims = {
      authorization_details: [{ type: 'writ', actions: ['tool.call'], resources: ['web/*'] }],
    };
    const allowed = write('out/a');
    expect(await perform(allowed)).toMatchObject({ outcome: 'done', value: 'done' });
    expect(await perform(write('/etc/passwd'))).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ code: 'policy.not_permitted' }] },
    });
    expect(await perform(write('out/.env'))).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ code: 'policy.forbidden', policy: 'no-secrets', text: 'secrets stay' }] },
    });
    expect(await perform(write('x', { arguments: { path: 7 } }))).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ code: 'policy.arguments_invalid' }] },
    });
    expect(await perform(write('out/a'), only)).toEqual({ outcome: 'auth.missing_capability' });
    expect(await perform({ ...allowed, arguments: { path: 'out/b' } })).toEqual({
      outcome: 'action.arguments_changed',
    });
    const codes = (await refusals()).map(
      ({ data }) => data as { code: string; effectId?: string; decision?: { policyVersion: string } },
    );
    expect(codes.filter((each) => each.code === 'policy.denied')).toHaveLength(3);
    expect(codes.find((each) => each.code === 'policy.denied')?.decision?.policyVersion).toMatch(/^sha256:/);
    expect(codes.some((each) => each.code === 'action.arguments_changed' && each.effectId === allowed.effectId)).toBe(
      true,
    );
  });

  test('a tenant without policies permits nothing', async () => {
    verifies('policy.default_deny');
    expect(await perform(write('out/a'), { tenant: 'tnt_empty', sub: 'agt_2' })).toMatchObject({
      outcome: 'denied',
      decision: { reasons: [{ code: 'policy.no_policies' }], policyVersion: '' },
    });
  });

  test('nothing is let in when identity has been silent for two seconds', async () => {
    all.identity.silence();
    await eventually(async () => (await perform(write('out/a'))).outcome === 'auth.revocation_unknown', {
      what: 'the enforcement point closes',
      timeoutMs: 5_000,
    });
    all.identity.beat();
    await eventually(() => all.enforcement.health.ready(), { what: 'it opens again' });
    expect((await perform(write('out/a'))).outcome).toBe('done');
  });
});

describe('an approval', () => {
  const asked = async (request: Request): Promise<string> => {
    const result = await perform(request);
    if (result.outcome !== 'ask') throw new Error(result.outcome);
    return (result as { approvalId: string }).approvalId;
  };

  test('is asked for, shown, given by a person, and used once', async () => {
    verifies('approval.consumed_once');
    const request = publish();
    const id = await asked(request);
    const waiting = all.call('GET', `/v1/approvals/${id}?wait=20s`);
    const shown = await all.call('GET', `/v1/approvals/${id}`);
    expect(shown.body['approval']).toMatchObject({
      id,
      state: 'requested',
      title: 'May it be published?',
      detail: { page: 'home' },
      agent: 'agt_1',
    });
    expect((await all.call('GET', '/v1/approvals')).body['approvals']).toContainEqual(expect.objectContaining({ id }));
    expect(code(await decide(id, 'approve', { sub: 'agt_1', kind: 'agent' }))).toBe('403 approval.agent_cannot_decide');
    expect(code(await decide(id, 'approve', {}, { argumentsDigest: 'sha256:other' }))).toBe(
      '403 approval.arguments_changed',
    );
    expect((await decide(id, 'approve', {}, { reason: 'looks good' })).body['approval']).toMatchObject({
      state: 'approved',
      decidedBy: 'psn_1',
      reason: 'looks good',
    });
    expect((await waiting).body['approval']).toMatchObject({ state: 'approved' });
    expect(await perform(request)).toMatchObject({
      outcome: 'done',
      decision: { reasons: [{ code: 'policy.approved' }] },
    });
    expect(await perform(request)).toMatchObject({ outcome: 'replayed' });
    expect(await perform(publish({ approval: id }))).toEqual({ outcome: 'approval.already_consumed' });
    expect((await all.call('GET', `/v1/approvals/${id}`)).body['approval']).toMatchObject({ state: 'consumed' });
  });

  test('is refused for other arguments, for another agent and under other policies', async () => {
    verifies('approval.bound');
    const id = await asked(publish());
    await decide(id, 'approve');
    expect(await perform(publish({ approval: id, arguments: { page: 'other' } }))).toEqual({
      outcome: 'approval.arguments_changed',
    });
    expect(await perform(publish({ approval: id }), { sub: 'agt_2' })).toEqual({ outcome: 'approval.not_yours' });
    await all.push(`${POLICIES} // changed`);
    expect(await perform(publish({ approval: id }))).toEqual({ outcome: 'approval.policy_changed' });
    const codes = (await refusals()).map(({ data }) => (data as { code: string }).code);
    expect(codes).toEqual(
      expect.arrayContaining(['approval.arguments_changed', 'approval.not_yours', 'approval.policy_changed']),
    );
  });

  test('that nobody gives in time expires by itself, and the action is refused', async () => {
    verifies('approval.expires');
    const request = publish();
    const id = await asked(request);
    const { body } = await all.call('GET', `/v1/approvals/${id}?wait=20s`);
    expect(body['approval']).toMatchObject({ state: 'expired' });
    expect(await perform(request)).toEqual({ outcome: 'approval.expired' });
    expect(code(await decide(id, 'approve'))).toBe('403 approval.expired');
  });

  test('comes into the inboxes of its approvers, reminds, escalates, is handed on and answered as it was asked', async () => {
    verifies('approval.inbox');
    verifies('approval.reminds');
    verifies('approval.escalates');
    verifies('approval.delegated');
    verifies('approval.typed_answer');
    const inbox = async (claims: TestClaims, query = '') =>
      (await all.call('GET', `/v1/approvals?mine=true${query}`, undefined, claims)).body['approvals'] as {
        id: string;
      }[];
    const [first, lead] = [{ sub: 'psn_first' }, { sub: 'psn_lead', groups: ['leads'] }];
    const waiting = inbox(first, '&wait=20s&kind=question');
    const id = newId('apr');
    const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
    const command = {
      type: 'request', kind: 'question', title: 'How much?', detail: null, agent: 'agt_1', approvers: ['psn_first'], expires: soon(60_000),
      schema: { type: 'integer' }, remind: [soon(100)], escalate: [{ at: soon(300), to: ['group:leads'] }],
    }; // prettier-ignore
    const actor = { principal: 'agt_1', kind: 'agent' } as const;
    await all.ledger.commands('policy').send({ tenant: 'tnt_1', aggregate: 'approval', subject: id, command, actor });
    expect(await waiting).toEqual([expect.objectContaining({ id, schema: { type: 'integer' } })]);
    expect(await inbox({ sub: 'psn_other' }, '&kind=question')).toEqual([]);
    expect(await inbox(lead, '&kind=question&wait=20s')).toEqual([expect.objectContaining({ id })]);
    await all.call('POST', `/v1/approvals/${id}:delegate`, { to: 'psn_next', reason: 'your budget' }, first);
    expect(await inbox(first, '&kind=question')).toEqual([]);
    const next = { sub: 'psn_next' };
    expect(await inbox(next, '&kind=question')).toEqual([
      expect.objectContaining({
        approvers: ['group:leads', 'psn_next'],
        remindTime: expect.any(String),
        handOvers: [
          expect.objectContaining({ by: '', to: ['group:leads'] }),
          expect.objectContaining({ by: 'psn_first', to: ['psn_next'], reason: 'your budget' }),
        ],
      }),
    ]);
    expect(code(await decide(id, 'approve', next, { value: 'much' }))).toBe('400 approval.bad_answer');
    expect((await decide(id, 'approve', next, { value: 12 })).body['approval']).toMatchObject({
      state: 'approved',
      value: 12,
    });
    const types = (await all.events('policy')).flatMap(({ subject, type }) => (subject === id ? [type] : []));
    // Where both were due before the timer came to run they are done at once, the escalation first.
    expect([...types.slice(0, 1), ...types.slice(1, 3).sort(), ...types.slice(3)]).toEqual(
      ['requested', 'escalated', 'reminded', 'delegated', 'decided'].map((each) => `approval.${each}.v1`),
    );
  });

  test('that is denied stops the action', async () => {
    const request = publish();
    await decide(await asked(request), 'deny');
    expect(await perform(request)).toEqual({ outcome: 'approval.denied' });
  });
});

describe('policies', () => {
  test('that only log let everything pass and tell what they would have said', async () => {
    verifies('policy.log_only');
    await all.push(POLICIES, 'POLICY_MODE_LOG_ONLY');
    const request = write('/etc/passwd');
    const performed = await perform(request);
    expect(performed).toMatchObject({ outcome: 'done', decision: { outcome: 'deny', mode: 'log-only' } });
    const intended = (await all.events('tools')).find(
      ({ type, subject }) => type === 'action.intended.v1' && subject === request.effectId,
    );
    expect(intended?.data).toMatchObject({
      decision: { outcome: 'deny', mode: 'log-only', reasons: [{ code: 'policy.not_permitted' }] },
    });
  });

  test('with an error are refused with file, line and policy; validate_only changes nothing', async () => {
    const before = (await all.call('GET', '/v1/policies')).body['version'];
    const files = [
      {
        name: 'bad.cedar',
        text: '\n@id("x") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file") when { context.arguments.pth == "a" };',
      },
    ];
    const checked = await all.call('PUT', '/v1/policies', { files, validateOnly: true });
    expect(checked).toMatchObject({
      status: 200,
      body: {
        findings: [
          { severity: 'error', file: 'bad.cedar', policy: 'x', message: expect.stringMatching(/^2:\d+ .*pth/) },
        ],
      },
    });
    expect(code(await all.call('PUT', '/v1/policies', { files }))).toBe('422 policy.invalid');
    expect((await all.call('GET', '/v1/policies')).body['version']).toBe(before);
  });

  test('are replaced only by who saw the active version, and every version is kept', async () => {
    const first = await all.push(`${POLICIES} // first`);
    const files = [{ name: 'test.cedar', text: `${POLICIES} // second` }];
    expect(code(await all.call('PUT', '/v1/policies', { files, expectedVersion: 'sha256:other' }))).toBe(
      '412 policy.version_changed',
    );
    const second = (await all.call('PUT', '/v1/policies', { files, expectedVersion: first })).body;
    const { body } = await all.call('GET', `/v1/policies/versions?page_size=2&after=${String(second['position'])}`);
    expect((body['versions'] as { version: string; by: string }[]).map(({ version, by }) => [version, by])).toEqual([
      [second['version'], 'psn_1'],
      [first, 'psn_1'],
    ]);
    expect((await all.call('GET', `/v1/policies?version=${encodeURIComponent(first)}`)).body['files']).toEqual([
      { name: 'test.cedar', text: `${POLICIES} // first` },
    ]);
  });

  test('are asked without doing anything, active or as a draft', async () => {
    const question = {
      principal: 'agt_1',
      action: 'tool.call',
      resourceType: 'Tool',
      resource: 'files/write_file',
      arguments: { path: 'out/a' },
    };
    expect((await all.call('POST', '/v1/policies:check', question)).body).toMatchObject({
      outcome: 'allow',
      reasons: [{ code: 'policy.permitted', policy: 'reports' }],
    });
    const draft = [{ name: 'd', text: '@id("never") forbid(principal, action, resource);' }];
    expect((await all.call('POST', '/v1/policies:check', { ...question, draft })).body).toMatchObject({
      outcome: 'deny',
      reasons: [{ policy: 'never' }],
    });
    const huge = [{ name: 'd', text: '@id("a") permit(principal, action, resource);'.repeat(1_001) }];
    expect(code(await all.call('POST', '/v1/policies:check', { ...question, draft: huge }))).toBe(
      '413 policy.too_large',
    );
    expect(code(await all.call('POST', '/v1/policies:check', { ...question, resourceType: 'Moon' }))).toBe(
      '400 request.invalid',
    );
  });

  test('and approvals are kept from grants that name other resources', async () => {
    verifies('api.resource_of_capability');
    const id = ((await perform(publish())) as { approvalId: string }).approvalId;
    const narrow = (resource: string) => ({
      authorization_details: [{ type: 'writ' as const, actions: ['policy.*', 'approval.*'], resources: [resource] }],
    });
    expect((await all.call('GET', `/v1/approvals/${id}`, undefined, narrow(id))).status).toBe(200);
    const listed = (await all.call('GET', '/v1/approvals', undefined, narrow(id))).body['approvals'];
    expect(listed).toMatchObject([{ id }]);
    const others = await all.call('GET', '/v1/approvals', undefined, narrow('apr_0'));
    expect(others.body['approvals']).toEqual([]);
    for (const [method, path, body] of [
      ['GET', `/v1/approvals/${id}`],
      ['POST', `/v1/approvals/${id}:decide`, { verdict: 'approve' }],
      ['GET', '/v1/policies'],
      ['GET', '/v1/policies/versions'],
      ['PUT', '/v1/policies', { files: [{ name: 'a', text: '' }] }],
      [
        'POST',
        '/v1/policies:check',
        { principal: 'agt_1', action: 'tool.call', resourceType: 'Tool', resource: 'a/b' },
      ],
    ] as const)
      expect((await all.call(method, path, body, narrow('apr_0'))).status).toBe(403);
  });

  test('of one tenant are not those of another', async () => {
    const { body } = await all.call('GET', '/v1/policies', undefined, { tenant: 'tnt_2' });
    expect(body['version'] ?? '').toBe('');
    const id = ((await perform(publish())) as { approvalId: string }).approvalId;
    expect(code(await all.call('GET', `/v1/approvals/${id}`, undefined, { tenant: 'tnt_2' }))).toBe(
      '404 approval.not_found',
    );
    expect(code(await decide(id, 'approve', { tenant: 'tnt_2' }))).toBe('404 approval.not_found');
  });
});

test('a revocation ends what runs', async () => {
  verifies('enforcement.revocation_aborts');
  const caller = await all.identity.caller(all.enforcement.authenticator, { sub: 'agt_busy' });
  const started = Promise.withResolvers<void>();
  const result = all.enforcement.perform({ caller, ...write('out/long') }, ({ signal }) => {
    started.resolve();
    return new Promise<Json>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    );
  });
  await started.promise;
  await all.identity.revoke('agt_busy', 'agent');
  await expect(result).rejects.toMatchObject({ code: 'auth.revoked' });
  expect(await perform(write('out/a'), { sub: 'agt_busy' })).toEqual({ outcome: 'auth.revoked' });
});
