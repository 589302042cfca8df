import { describe, expect, test } from '@jest/globals';
import { checkPolicies, Evaluator } from '@writ/enforcement';
import { verifies } from '@writ/testkit';
import { CedarStartPolicy, parentAsStarter, type WantedStart } from './start-policy.js';

const text = `
@id("reviews") permit (principal is Writ::Agent, action == Writ::Action::"run.start", resource == Writ::Workflow::"review")
when { principal.depth < 2 };
@id("asked") @ask("May it run?") permit (principal, action == Writ::Action::"run.start", resource == Writ::Workflow::"deploy");
@id("queue") forbid (principal, action == Writ::Action::"run.start", resource) when { context.arguments has queue && context.arguments.queue == "gpu" };`;

function policy(mode: 'enforce' | 'log-only' = 'enforce'): CedarStartPolicy {
  const { policies, findings } = checkPolicies([{ name: 'p.cedar', text }], new Map());
  expect(findings).toEqual([]);
  const evaluator = new Evaluator(policies, new Map());
  return new CedarStartPolicy({
    decide: (_tenant, request) => {
      const verdict = evaluator.decide(request);
      return { verdict, approved: () => verdict, version: 'v1', mode };
    },
  });
}

const wanted = (more: Partial<WantedStart> = {}): WantedStart => ({
  tenant: 'tnt_1',
  principal: parentAsStarter('tnt_1', 'run_1', { agent: 'agt_1', depth: 1 }),
  workflow: 'review',
  queue: 'default',
  input: {},
  ...more,
});
const refused = (more: Partial<WantedStart>, by = policy()) => {
  try {
    by.permit(wanted(more));
    return 'permitted';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a start', () => {
  test('needs a permit, and a forbid wins', () => {
    verifies('scheduler.start_permitted');
    expect(refused({})).toBe('permitted');
    expect(refused({ workflow: 'other' })).toBe('policy.denied');
    expect(refused({ queue: 'gpu' })).toBe('policy.denied');
    const deep = parentAsStarter('tnt_1', 'run_2', { agent: 'agt_1', depth: 2 });
    expect(refused({ principal: deep })).toBe('policy.denied');
  });

  test('cannot wait for a person', () => {
    expect(refused({ workflow: 'deploy' })).toBe('policy.approval_required');
  });

  test('is let through where policies are only logged', () => {
    expect(refused({ workflow: 'other' }, policy('log-only'))).toBe('permitted');
  });
});
