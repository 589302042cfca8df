import { describe, expect, test } from '@jest/globals';
import type { ApprovalCommand, DecideApproval } from '@writ/enforcement';
import { aggregates, type Actor, type Command, type LedgerEvent } from '@writ/ledger/domain';
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
    expect(send({ type: 'expire' })).toEqual([]);
    expect(send({ type: 'expire' }, late)).toEqual(['approval.expired.v1']);
    expect(send({ type: 'expire' }, late)).toEqual([]);
    expect(() => send(decide())).toThrow(code('approval.expired'));
    expect(() => send(use)).toThrow(code('approval.expired'));
  });

  test('that was decided does not expire any more', () => {
    expect(started(request, decide())({ type: 'expire' }, late)).toEqual([]);
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
});
