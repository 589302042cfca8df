import { describe, expect, test } from '@jest/globals';
import type { Json } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { argumentsOfSchema, Evaluator, readPolicies, type PolicyRequest } from '../cedar.js';

const writeFile = argumentsOfSchema({
  type: 'object',
  properties: {
    path: { type: 'string' },
    content: { type: 'string' },
    mode: { type: 'integer' },
    amount: { type: 'number' },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['path'],
});
const tools = new Map([['files/write_file', writeFile], ['files/read_file', argumentsOfSchema({ type: 'object', properties: { path: { type: 'string' } } })]]); // prettier-ignore

function evaluator(text: string): Evaluator {
  const { policies, findings } = readPolicies([{ name: 'p.cedar', text }]);
  expect(findings).toEqual([]);
  return new Evaluator(policies, tools);
}

function request(args: Json, over: Partial<PolicyRequest> = {}): PolicyRequest {
  return {
    principal: { type: 'Agent', id: 'agt_1', tenant: 'tnt_1', depth: 1, run: 'run_1' },
    action: 'tool.call',
    resource: { type: 'Tool', id: 'files/write_file' },
    arguments: args,
    ...over,
  };
}

const permitReport = `@id("report") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file")
  when { context.arguments.path == "report.md" };`;
const ask = `@id("careful") @ask("Write the report?") @approvers("psn_1, group:editors") @expires("30m")
  permit(principal, action == Writ::Action::"tool.call", resource in Writ::Server::"files");`;

describe('a decision', () => {
  test('is deny when no policy speaks', () => {
    verifies('policy.default_deny');
    expect(evaluator('').decide(request({ path: 'a' }))).toEqual({
      outcome: 'deny',
      reasons: [
        {
          code: 'policy.not_permitted',
          policy: '',
          text: 'no policy permits tool.call on Tool files/write_file: none speaks about it',
        },
      ],
    });
  });

  test('about a server holds for its prompts and resources as for its tools', () => {
    const policies = evaluator(`@id("wiki") permit(principal, action, resource in Writ::Server::"wiki");
      @id("no-drafts") forbid(principal, action == Writ::Action::"resource.read", resource in Writ::Server::"wiki")
        when { context.arguments has uri && context.arguments.uri like "draft:*" };`);
    const read = (uri: string) =>
      policies.decide(request({ uri }, { action: 'resource.read', resource: { type: 'Resource', id: `wiki/${uri}` } }))
        .outcome;
    const prompt = (id: string) =>
      policies.decide(request({}, { action: 'prompt.get', resource: { type: 'Prompt', id } })).outcome;
    expect([read('page:1'), read('draft:1')]).toEqual(['allow', 'deny']);
    expect([prompt('wiki/summary'), prompt('other/summary')]).toEqual(['allow', 'deny']);
  });

  test('is allow when a permit matches, and says which', () => {
    expect(evaluator(permitReport).decide(request({ path: 'report.md' }))).toEqual({
      outcome: 'allow',
      reasons: [
        { code: 'policy.permitted', policy: 'report', text: 'report permits tool.call on Tool files/write_file' },
      ],
    });
  });

  test('is deny for arguments outside the policy, and names the permit that came close', () => {
    const { outcome, reasons } = evaluator(permitReport).decide(request({ path: '/etc/passwd' }));
    expect(outcome).toBe('deny');
    expect(reasons[0]).toMatchObject({
      code: 'policy.not_permitted',
      text: expect.stringContaining('the conditions of report do not hold'),
    });
  });

  test('forbid wins over permit and over ask, with its own reason', () => {
    verifies('policy.forbid_wins');
    const forbid = `@id("no-env") @reason("Environment files hold secrets") forbid(principal, action, resource) when { context.arguments.path like "*.env" };`;
    const verdict = evaluator(`permit(principal, action, resource); ${ask} ${forbid}`).decide(
      request({ path: '.env' }),
    );
    expect(verdict).toEqual({
      outcome: 'deny',
      reasons: [{ code: 'policy.forbidden', policy: 'no-env', text: 'Environment files hold secrets' }],
    });
  });

  test('ask wins over allow, with who may approve and for how long', () => {
    expect(evaluator(`${permitReport} ${ask}`).decide(request({ path: 'report.md' }))).toEqual({
      outcome: 'ask',
      reasons: [{ code: 'policy.approval_required', policy: 'careful', text: 'Write the report?' }],
      ask: { title: 'Write the report?', approvers: ['psn_1', 'group:editors'], expiresMs: 1_800_000 },
    });
  });

  test('what was asked for is allowed once approved; what is forbidden stays forbidden', () => {
    const text = `${ask} @id("never") forbid(principal, action, resource) when { context.arguments.path == "never.md" };`;
    expect(evaluator(text).decide(request({ path: 'report.md' }), true).outcome).toBe('allow');
    expect(evaluator(text).decide(request({ path: 'never.md' }), true).outcome).toBe('deny');
  });

  test('a policy for another tool of the server has no say', () => {
    const other = request({ path: 'report.md' }, { resource: { type: 'Tool', id: 'files/read_file' } });
    expect(evaluator(permitReport).decide(other).outcome).toBe('deny');
    expect(evaluator(ask).decide(other).outcome).toBe('ask');
    expect(evaluator(ask).decide(request({}, { resource: { type: 'Tool', id: 'filesystem/x' } })).outcome).toBe('deny');
  });

  test('does not even look at policies of other tools and servers', () => {
    const elsewhere = request({ path: 'report.md' }, { resource: { type: 'Tool', id: 'filesystem/write_file' } });
    const { reasons } = evaluator(`${ask} ${permitReport}`).decide(elsewhere);
    expect(reasons[0]?.text).toBe('no policy permits tool.call on Tool filesystem/write_file: none speaks about it');
  });

  test('arguments that do not have their declared type are refused', () => {
    for (const args of [{ path: 5 }, {}, { path: null }, [], 'x', null]) {
      expect(evaluator(permitReport).decide(request(args)).reasons[0]?.code).toBe('policy.arguments_invalid');
    }
  });

  test('an entity or a function smuggled into an argument stays data', () => {
    const text = 'permit(principal, action, resource) when { context.arguments.path == principal };';
    expect(evaluator(text).decide(request({ path: { __entity: { type: 'Writ::Agent', id: 'agt_1' } } })).outcome).toBe(
      'deny',
    );
    const unregistered = request(
      { path: { __entity: { type: 'Writ::Agent', id: 'agt_1' } } },
      { resource: { type: 'Tool', id: 'x/y' } },
    );
    expect(evaluator(text).decide(unregistered).outcome).toBe('deny');
  });

  test('a forbid that cannot be evaluated denies instead of being skipped', () => {
    verifies('policy.forbid_wins');
    const text = `permit(principal, action, resource); @id("broken") forbid(principal, action, resource) when { context.arguments.path like "/etc/*" };`;
    const unregistered = request({ path: 7 }, { resource: { type: 'Tool', id: 'x/y' } });
    expect(evaluator(text).decide(unregistered)).toMatchObject({
      outcome: 'deny',
      reasons: [{ code: 'policy.evaluation_failed', policy: 'broken' }],
    });
  });

  test('numbers with decimals compare as decimals', () => {
    const text =
      'permit(principal, action, resource) when { context.arguments has amount && context.arguments.amount.lessThanOrEqual(decimal("10.5")) };';
    expect(evaluator(text).decide(request({ path: 'a', amount: 10.5 })).outcome).toBe('allow');
    expect(evaluator(text).decide(request({ path: 'a', amount: 10.5001 })).outcome).toBe('deny');
    expect(evaluator(text).decide(request({ path: 'a', amount: 1.00001 })).reasons[0]?.code).toBe(
      'policy.arguments_invalid',
    );
  });

  test('a value that no policy looks at cannot refuse a call', () => {
    expect(
      evaluator(permitReport).decide(request({ path: 'report.md', amount: 1.00001, content: '\ud800' })).outcome,
    ).toBe('allow');
  });

  test('arguments that the tool does not declare can be forbidden by name', () => {
    const text =
      'permit(principal, action, resource); forbid(principal, action, resource) when { !context.undeclared.isEmpty() };';
    expect(evaluator(text).decide(request({ path: 'a' })).outcome).toBe('allow');
    expect(evaluator(text).decide(request({ path: 'a', sudo: true })).outcome).toBe('deny');
  });

  test('policies see who acts, in which run and how deep', () => {
    const text =
      'permit(principal is Writ::Agent, action, resource) when { principal.depth < 2 && context.run.workflow == "review" && resource.server == "files" };';
    expect(evaluator(text).decide(request({ path: 'a' }, { context: { workflow: 'review' } })).outcome).toBe('allow');
    expect(evaluator(text).decide(request({ path: 'a' }, { context: { workflow: 'other' } })).outcome).toBe('deny');
  });

  test('other actions have arguments too', () => {
    const text =
      'permit(principal, action == Writ::Action::"memory.write", resource) when { resource.id like "repo/*" && context.arguments has text };';
    const memory = request({ text: 'x' }, { action: 'memory.write', resource: { type: 'Memory', id: 'repo/writ' } });
    expect(evaluator(text).decide(memory).outcome).toBe('allow');
    expect(evaluator(text).decide({ ...memory, resource: { type: 'Memory', id: 'people/writ' } }).outcome).toBe('deny');
    expect(evaluator(text).decide({ ...memory, action: 'memory.forget' }).outcome).toBe('deny');
  });

  test('an id in the head of a policy binds for resources that are not sliced by id', () => {
    const text = 'permit(principal, action == Writ::Action::"sandbox.exec", resource == Writ::Sandbox::"sbx_1");';
    const exec = request({ program: 'ls' }, { action: 'sandbox.exec', resource: { type: 'Sandbox', id: 'sbx_2' } });
    expect(evaluator(text).decide(exec).outcome).toBe('deny');
    expect(evaluator(text).decide({ ...exec, resource: { type: 'Sandbox', id: 'sbx_1' } }).outcome).toBe('allow');
  });

  test('a set taken out of use leaves others working', () => {
    const [first, second] = [evaluator(permitReport), evaluator(ask)];
    first.decide(request({ path: 'report.md' }));
    second.decide(request({ path: 'report.md' }));
    first[Symbol.dispose]();
    const third = evaluator('');
    expect(third.decide(request({ path: 'report.md' })).outcome).toBe('deny');
    expect(second.decide(request({ path: 'report.md' })).outcome).toBe('ask');
  });
});

test('a decision that was remembered is the one that would be taken', () => {
  verifies('policy.remembered_decision');
  const text = `${permitReport}
    permit(principal == Writ::Agent::"agt_2", action == Writ::Action::"run.start", resource == Writ::Workflow::"review");
    forbid(principal, action == Writ::Action::"run.start", resource) when { context.arguments.queue == "closed" };`;
  const remembering = evaluator(text);
  const starts = ['agt_1', 'agt_2'].flatMap((id) =>
    ['open', 'closed'].flatMap((queue) =>
      [1, 2].map((input) =>
        request(
          { queue, input },
          {
            principal: { type: 'Agent', id, tenant: 'tnt_1', depth: 0 },
            action: 'run.start',
            resource: { type: 'Workflow', id: 'review' },
          },
        ),
      ),
    ),
  );
  const calls = ['report.md', 'other.md'].flatMap((path) => [request({ path }), request({ path, mode: 1 })]);
  for (let round = 0; round < 3; round++)
    for (const each of [...starts, ...calls])
      for (const approved of [false, true])
        expect(remembering.decide(each, approved)).toEqual(evaluator(text).decide(each, approved));
});
