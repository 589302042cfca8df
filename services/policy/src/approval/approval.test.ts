import { describe, expect, test } from '@jest/globals';
import type { ApprovalCommand, DecideApproval } from '@writ/enforcement';
import { aggregates, type Actor, type Command, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { approval } from './approval.js';

const agent: Actor = { principal: 'agt_1', kind: 'agent' };
const request: ApprovalCommand = {
  type: 'request', kind: 'action', title: 'Write?', detail: { path: 'report.md' }, agent: 'agt_1', approvers: [], expires: '2026-01-01T01:00:00.000Z',
  effectId: 'e1', action: 'tool.call', resource: { type: 'Tool', id: 'files/write_file' }, argumentsDigest: 'sha256:1', policyVersion: 'v1',
}; // prettier-ignore
const use = { type: 'consume', effectId: 'e1', action: 'tool.call', resource: { type: 'Tool', id: 'files/write_file' }, argumentsDigest: 'sha256:1', policyVersion: 'v1' } as const; // prettier-ignore
const decide = (over: Partial<DecideApproval> = {}): DecideApproval => ({
  type: 'decide', verdict: 'approve', by: { principal: 'psn_1', kind: 'person', groups: ['support'] }, grant: [{ type: 'writ', actions: ['approval.*'] }], ...over,
}); // prettier-ignore

function started(...commands: ApprovalCommand[]) {
  const model = aggregates([approval])();
  const send = (command: ApprovalCommand, { at = '2026-01-01T00:00:00.000Z', actor = agent } = {}): string[] => {
    const sent: Command = { id: 'c', tenant: 't', aggregate: 'approval', subject: 'apr_1', command, actor, time: at };
    const events = model.decide(sent);
    for (const event of events) model.evolve({ ...sent, ...event, subject: 'apr_1', specversion: '1.0', source: 'policy/00', cause: 'c' } as unknown as LedgerEvent, { commit: 1, index: 0 }); // prettier-ignore
    return events.map(({ type }) => type);
  };
  for (const command of commands) send(command);
  return send;
}
const late = { at: '2026-01-01T01:00:00.000Z' };
const code = (expected: string) => expect.objectContaining({ code: expected });

describe('an approval', () => {
  test('is requested once, decided once and used once', () => {
    verifies('approval.consumed_once');
    const send = started();
    expect(send(request)).toEqual(['approval.requested.v1']);
    expect(send(request)).toEqual([]);
    expect(send(decide())).toEqual(['approval.decided.v1']);
    expect(send(decide())).toEqual([]);
    expect(send(use)).toEqual(['approval.consumed.v1']);
    expect(send(use)).toEqual([]);
    expect(() => send({ ...use, effectId: 'e2' })).toThrow(code('approval.already_consumed'));
  });

  test.each([
    ['other arguments', { argumentsDigest: 'sha256:2' }, 'approval.arguments_changed'],
    ['another action', { action: 'memory.write' }, 'approval.arguments_changed'],
    ['another tool', { resource: { type: 'Tool', id: 'files/delete' } }, 'approval.arguments_changed'],
    [
      'another kind of resource',
      { resource: { type: 'Memory', id: 'files/write_file' } },
      'approval.arguments_changed',
    ],
    ['another version of the policies', { policyVersion: 'v2' }, 'approval.policy_changed'],
  ])('is of no use for %s', (_, over, expected) => {
    verifies('approval.bound');
    expect(() => started(request, decide())({ ...use, ...over })).toThrow(code(expected));
  });

  test('is of no use to another agent', () => {
    expect(() => started(request, decide())(use, { actor: { principal: 'agt_2', kind: 'agent' } })).toThrow(
      code('approval.not_yours'),
    );
  });

  test('may be used by a later attempt of the same action, if the first never used it', () => {
    expect(started(request, decide())({ ...use, effectId: 'e1/2' })).toEqual(['approval.consumed.v1']);
  });

  test('is undecided, denied or unknown before it is of use', () => {
    expect(() => started()(use)).toThrow(code('approval.not_found'));
    expect(() => started(request)(use)).toThrow(code('approval.undecided'));
    expect(() => started(request, decide({ verdict: 'deny' }))(use)).toThrow(code('approval.denied'));
  });

  test('expires: not used, not decided and not approved after its time, whether the timer has run or not', () => {
    verifies('approval.expires');
    expect(() => started(request, decide())(use, late)).toThrow(code('approval.expired'));
    const send = started(request);
    expect(() => send(use, late)).toThrow(code('approval.expired'));
    expect(() => send(decide(), late)).toThrow(code('approval.expired'));
    expect(send({ type: 'tick' })).toEqual([]);
    expect(send({ type: 'tick' }, late)).toEqual(['approval.expired.v1']);
    expect(send({ type: 'tick' }, late)).toEqual([]);
    expect(() => send(decide())).toThrow(code('approval.expired'));
    expect(() => send(use)).toThrow(code('approval.expired'));
  });

  test('is withdrawn when nobody waits for it, unless somebody decided before', () => {
    verifies('approval.withdrawn');
    const withdraw: ApprovalCommand = { type: 'withdraw', reason: 'run_1 has ended' };
    const send = started(request);
    expect(send(withdraw)).toEqual(['approval.withdrawn.v1']);
    expect(send(withdraw)).toEqual([]);
    expect(() => send(decide())).toThrow(code('approval.withdrawn'));
    expect(() => send(use)).toThrow(code('approval.withdrawn'));
    expect(send({ type: 'tick' }, late)).toEqual([]);
    expect(started(request, decide())(withdraw)).toEqual([]);
    expect(started()(withdraw)).toEqual([]);
  });

  test('that was decided does not expire any more', () => {
    expect(started(request, decide())({ type: 'tick' }, late)).toEqual([]);
  });

  test('is decided by the first; a second opinion is refused', () => {
    const send = started(request, decide());
    expect(() => send(decide({ verdict: 'deny' }))).toThrow(code('approval.already_decided'));
    expect(() => send(decide({ by: { principal: 'psn_2', kind: 'person', groups: [] } }))).toThrow(
      code('approval.already_decided'),
    );
  });

  test('is decided by no agent, and not by the one who asks', () => {
    verifies('approval.agent_cannot_decide');
    const send = started(request);
    for (const by of [
      { principal: 'agt_1', kind: 'agent' },
      { principal: 'agt_2', kind: 'agent' },
      { principal: 'agt_1', kind: 'person' },
      { principal: 'x', kind: 'service' },
    ]) {
      expect(() => send(decide({ by: { ...by, groups: [] } }))).toThrow(code('approval.agent_cannot_decide'));
    }
  });

  test.each([
    ['the token of a run, even of their own', { run: 'run_1' }],
    ['a token that an agent handed to them', { onBehalfOf: ['agt_1'] }],
    ['a token that came by a run', { onBehalfOf: ['psn_2', 'run_1'] }],
  ])('is decided by no person with %s', (_, lent) => {
    verifies('approval.agent_cannot_decide');
    const actor: Actor = { principal: 'psn_1', kind: 'person', ...lent };
    expect(() => started(request)(decide(), { actor })).toThrow(code('approval.agent_cannot_decide'));
  });

  test('may be decided for another person', () => {
    const actor: Actor = { principal: 'psn_1', kind: 'person', onBehalfOf: ['psn_2'] };
    expect(started(request)(decide(), { actor })).toEqual(['approval.decided.v1']);
  });

  test('needs the right to decide, on this approval', () => {
    const send = started(request);
    expect(() => send(decide({ grant: [] }))).toThrow(code('approval.not_entitled'));
    expect(() =>
      send(decide({ grant: [{ type: 'writ', actions: ['approval.decide'], resources: ['apr_2'] }] })),
    ).toThrow(code('approval.not_entitled'));
    expect(send(decide({ grant: [{ type: 'writ', actions: ['approval.decide'], resources: ['apr_*'] }] }))).toEqual([
      'approval.decided.v1',
    ]);
  });

  test('that names approvers is decided by one of them, by id or by group', () => {
    const named = (approvers: string[]) => started({ ...request, approvers } as ApprovalCommand);
    expect(() => named(['psn_2', 'group:legal'])(decide())).toThrow(code('approval.not_entitled'));
    expect(named(['psn_1'])(decide())).toEqual(['approval.decided.v1']);
    expect(named(['group:support'])(decide())).toEqual(['approval.decided.v1']);
  });

  test('shown with other arguments than the approver saw is not decided', () => {
    expect(() => started(request)(decide({ argumentsDigest: 'sha256:2' }))).toThrow(code('approval.arguments_changed'));
    expect(started(request)(decide({ argumentsDigest: 'sha256:1' }))).toEqual(['approval.decided.v1']);
  });

  test('of a question carries an answer and cannot be used for an action', () => {
    const question: ApprovalCommand = {
      type: 'request',
      kind: 'question',
      title: 'Which?',
      detail: null,
      agent: 'agt_1',
      approvers: [],
      expires: late.at,
    };
    const send = started(question);
    expect(send(decide({ value: 'the blue one' }))).toEqual(['approval.decided.v1']);
    expect(() => send(use)).toThrow(code('approval.arguments_changed'));
  });

  const remind = ['2026-01-01T00:10:00.000Z', '2026-01-01T00:20:00.000Z'];
  const escalate = [{ at: '2026-01-01T00:30:00.000Z', to: ['group:leads'] }];
  const named: ApprovalCommand = { ...request, approvers: ['psn_1'], remind, escalate };
  const lead = { principal: 'psn_9', kind: 'person', groups: ['leads'] };
  const at = (minute: number) => ({ at: `2026-01-01T00:${minute}:00.000Z` });

  test('reminds at its times, each once; of those that nobody sent in time only of the last', () => {
    verifies('approval.reminds');
    const send = started({ ...named, escalate: [] });
    expect(send({ type: 'tick' }, at(10))).toEqual(['approval.reminded.v1']);
    expect(send({ type: 'tick' }, at(10))).toEqual([]);
    expect(send({ type: 'tick' }, at(25))).toEqual(['approval.reminded.v1']);
    expect(send({ type: 'tick' }, at(40))).toEqual([]);
    expect(started(named)({ type: 'tick' }, at(25))).toEqual(['approval.reminded.v1']);
    expect(started(named, decide())({ type: 'tick' }, at(25))).toEqual([]);
  });

  test('comes to others beside the first when nobody has decided by then, and to nobody before', () => {
    verifies('approval.escalates');
    const send = started(named);
    expect(() => send(decide({ by: lead }), at(29))).toThrow(code('approval.not_entitled'));
    expect(send({ type: 'tick' }, at(30))).toEqual(['approval.escalated.v1', 'approval.reminded.v1']);
    expect(send({ type: 'tick' }, at(31))).toEqual([]);
    expect(send(decide({ by: lead }), at(32))).toEqual(['approval.decided.v1']);
  });

  test('that names nobody is not narrowed by an escalation', () => {
    verifies('approval.escalates');
    const send = started({ ...named, approvers: [] });
    send({ type: 'tick' }, at(30));
    expect(send(decide(), at(31))).toEqual(['approval.decided.v1']);
  });

  const { by, grant } = decide();
  const delegate = (to: string) => ({ type: 'delegate', by, grant, to }) as const;

  test('is handed to another person, who may then decide in the place of the first', () => {
    verifies('approval.delegated');
    const send = started(named);
    const other = { principal: 'psn_2', kind: 'person', groups: [] };
    expect(send(delegate('psn_2'))).toEqual(['approval.delegated.v1']);
    expect(() => send(decide())).toThrow(code('approval.not_entitled'));
    expect(() => send(delegate('psn_3'))).toThrow(code('approval.not_entitled'));
    expect(() => send(decide({ by: other, grant: [] }))).toThrow(code('approval.not_entitled'));
    expect(send(decide({ by: other }))).toEqual(['approval.decided.v1']);
  });

  test('is handed to nobody but another person, by nobody who may not decide, and not when it is over', () => {
    verifies('approval.delegated');
    for (const to of ['agt_2', 'psn_1', 'group:leads'])
      expect(() => started(named)(delegate(to))).toThrow(code('approval.bad_delegate'));
    expect(() => started(named)({ ...delegate('psn_2'), by: lead })).toThrow(code('approval.not_entitled'));
    expect(() => started(named)({ ...delegate('psn_2'), by: { ...by, kind: 'agent' } })).toThrow(
      code('approval.agent_cannot_decide'),
    );
    expect(() => started(named)(delegate('psn_2'), late)).toThrow(code('approval.expired'));
    expect(() => started(named, decide())(delegate('psn_2'))).toThrow(code('approval.already_decided'));
  });

  const question = (schema: Json): ApprovalCommand => ({
    type: 'request', kind: 'question', title: 'How much?', detail: null, agent: 'agt_1', approvers: [], expires: request.expires, schema,
  }); // prettier-ignore
  const amount = { type: 'object', properties: { cents: { type: 'integer', maximum: 500 } }, required: ['cents'] };

  test.each<[string, Json | undefined]>([
    ['nothing', undefined],
    ['another type', { cents: '12' }],
    ['too much', { cents: 501 }],
  ])('does not take %s for an answer of the form that was asked for', (_, value) => {
    verifies('approval.typed_answer');
    const send = started(question(amount));
    expect(() => send(decide(value === undefined ? {} : { value }))).toThrow(code('approval.bad_answer'));
    expect(send(decide({ value: { cents: 500 } }))).toEqual(['approval.decided.v1']);
  });

  test('is denied without an answer, and a schema that cannot be used or never ends lets none pass', () => {
    verifies('approval.typed_answer');
    expect(started(question(amount))(decide({ verdict: 'deny' }))).toEqual(['approval.decided.v1']);
    const send = (schema: Json, value: Json) => () => started(question(schema))(decide({ value }));
    expect(send({ type: 'nothing' }, 1)).toThrow(code('approval.bad_answer'));
    expect(send({ $ref: 'https://example.org/schema' }, 1)).toThrow(code('approval.bad_answer'));
    expect(send({ pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`)).toThrow(code('approval.bad_answer'));
  });
});
