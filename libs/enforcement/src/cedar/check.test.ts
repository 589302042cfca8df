import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { argumentsOfSchema, checkPolicies } from '../cedar.js';

const tools = new Map([
  [
    'files/write_file',
    argumentsOfSchema({ type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }),
  ],
  [
    'tracker/create',
    argumentsOfSchema({ type: 'object', properties: { title: { type: 'string' } }, required: ['title'] }),
  ],
]);
const check = (text: string) => checkPolicies([{ name: 'main.cedar', text }], tools);
const messages = (text: string) =>
  check(text).findings.map(({ severity, policy, message }) => `${severity} ${policy} ${message}`);

describe('checking a policy set', () => {
  test('a set about what exists has no findings', () => {
    const text = `
      @id("a") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file") when { context.arguments.path like "out/*" };
      @id("b") permit(principal, action in [Writ::Action::"memory.read", Writ::Action::"memory.write"], resource) when { resource.id like "repo/*" && principal.depth < 3 };
      @id("c") permit(principal, action == Writ::Action::"sandbox.create", resource) when { context.arguments has network && context.arguments.network == "none" };`;
    expect(check(text)).toMatchObject({ ok: true, findings: [], policies: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] });
  });

  test.each([
    [
      'text that is not Cedar, with its place',
      'permit(principal, action, resource);\npermit(principal, action, resourc);',
      /^error {2}2:27 .*resourc/,
    ],
    [
      'an argument that the tool does not have',
      '@id("x") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file") when { context.arguments.pth == "a" };',
      /^error x 1:\d+ .*pth.*did you mean `path`.*\(for tool files\/write_file\)/,
    ],
    [
      'an argument that only another tool has',
      '@id("x") permit(principal, action == Writ::Action::"tool.call", resource) when { context.arguments.path == "a" };',
      /for tool tracker\/create/,
    ],
    [
      'a wrong type',
      '@id("x") permit(principal, action == Writ::Action::"tool.call", resource in Writ::Server::"files") when { context.arguments.path > 3 };',
      /^error x .*Long/,
    ],
    [
      'an action that does not exist',
      '@id("x") permit(principal, action == Writ::Action::"tool.cal", resource);',
      /^error x .*did you mean `Writ::Action::"tool.call"`/,
    ],
    [
      'a principal type that does not exist',
      '@id("x") permit(principal == Writ::Robot::"r", action, resource);',
      /^error x .*Writ::Robot/,
    ],
    [
      'the same id twice',
      '@id("x") permit(principal, action, resource);\n@id("x") permit(principal, action, resource);',
      /^error x 2:1 @id\("x"\) stands already in main.cedar:1/,
    ],
    ['a template', '@id("x") permit(principal == ?principal, action, resource);', /templates/],
    ['@ask on a forbid', '@id("x") @ask("?") forbid(principal, action, resource);', /@ask stands on a forbid/],
    ['@approvers without @ask', '@id("x") @approvers("psn_1") permit(principal, action, resource);', /need @ask/],
    [
      'an approver that is nobody',
      '@id("x") @ask("?") @approvers("bob") permit(principal, action, resource);',
      /names "bob"/,
    ],
    [
      'an expiry that is no duration',
      '@id("x") @ask("?") @expires("soon") permit(principal, action, resource);',
      /"soon"/,
    ],
  ])('%s is an error', (_, text, expected) => {
    verifies('policy.typed');
    expect(check(text).ok).toBe(false);
    expect(messages(text).join('\n')).toMatch(expected);
  });

  test('an optional argument of several tools is reached with has', () => {
    expect(
      check(
        'permit(principal, action == Writ::Action::"tool.call", resource) when { context.arguments has path && context.arguments.path == "a" };',
      ).findings,
    ).toEqual([]);
  });

  test('a tool that nobody registered yet is a warning: policies come before tools', () => {
    const text =
      '@id("x") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"mail/send") when { context.arguments.to == "a" };';
    expect(check(text)).toMatchObject({
      ok: true,
      findings: [
        {
          severity: 'warning',
          policy: 'x',
          message: '1:1 no tool mail/send is registered: the arguments are not checked',
        },
      ],
    });
  });

  test('policies without an id are named by file and number in the order of the text', () => {
    const text = Array.from(
      { length: 12 },
      (_, index) => `permit(principal, action, resource) when { principal.depth == ${index} };`,
    ).join('\n');
    expect(check(text).policies.map(({ id, line }) => `${id} ${line}`)).toEqual(
      Array.from({ length: 12 }, (_, index) => `main.cedar#${index + 1} ${index + 1}`),
    );
  });
});

test('the same text in two files is two policies, each with its own name and line', () => {
  const text = 'permit(principal, action, resource);';
  const files = [
    { name: 'a.cedar', text },
    { name: 'b.cedar', text: `// first\n${text}` },
  ];
  const told = checkPolicies(files, new Map()).policies.map(({ id, file, line }) => [id, file, line]);
  expect(told).toEqual([
    ['a.cedar#1', 'a.cedar', 1],
    ['b.cedar#1', 'b.cedar', 2],
  ]);
});
