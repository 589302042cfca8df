import { describe, expect, test } from '@jest/globals';
import type { PolicyFile } from '@writ/enforcement';
import { aggregates, type Command, type LedgerEvent } from '@writ/ledger/domain';
import { toolSchema } from '../tool-schema/tool-schema.js';
import { policySet, versionOf } from './policy-set.js';

const file = (text: string, name = 'main.cedar'): PolicyFile => ({ name, text });
const open = file('@id("open") permit(principal, action, resource);');
const typed = file(
  '@id("typed") permit(principal, action == Writ::Action::"tool.call", resource in Writ::Server::"files") when { context.arguments.path == "a" };',
);

function tenant() {
  const model = aggregates([policySet, toolSchema])();
  return (aggregate: string, command: { type: string; [field: string]: unknown }): string[] => {
    const sent: Command = {
      id: 'c',
      tenant: 'tnt_1',
      aggregate,
      subject: 'tnt_1',
      command,
      actor: { principal: 'psn_1', kind: 'person' },
      time: '2026-01-01T00:00:00.000Z',
    };
    const events = model.decide(sent);
    for (const event of events) model.evolve({ ...sent, ...event, subject: 'tnt_1', specversion: '1.0', source: 'policy/00', cause: 'c' } as unknown as LedgerEvent, { commit: 1, index: 0 }); // prettier-ignore
    return events.map(({ type }) => type);
  };
}
const push = (files: PolicyFile[], over: object = {}) => ({ type: 'push', files, mode: 'enforce', ...over });
const writeFile = (properties: object) => ({
  type: 'register',
  tools: [{ tool: 'files/write_file', inputSchema: { type: 'object', properties, required: Object.keys(properties) } }],
});

describe('a policy set', () => {
  test('is pushed, validated and activated in one commit, and the same one again changes nothing', () => {
    const send = tenant();
    expect(send('policy_set', push([open]))).toEqual([
      'policy_set.pushed.v1',
      'policy_set.validated.v1',
      'policy_set.activated.v1',
    ]);
    expect(send('policy_set', push([open]))).toEqual([]);
  });

  test('that only changes its mode is activated without being pushed again', () => {
    const send = tenant();
    send('policy_set', push([open]));
    expect(send('policy_set', push([open], { mode: 'log-only' }))).toEqual(['policy_set.activated.v1']);
  });

  test('with an error is refused with its findings, and the active one stays', () => {
    const send = tenant();
    send('policy_set', push([open]));
    const wrong = push([file('permit(principal, action, resourc);', 'wrong.cedar')]);
    expect(() => send('policy_set', wrong)).toThrow(
      expect.objectContaining({
        code: 'policy.invalid',
        details: { findings: [expect.objectContaining({ file: 'wrong.cedar', severity: 'error' })] },
      }),
    );
    expect(send('policy_set', push([open]))).toEqual([]);
  });

  test('is checked against the arguments of the registered tools', () => {
    const send = tenant();
    send('tool_schema', writeFile({ path: { type: 'string' } }));
    expect(send('policy_set', push([typed]))).toHaveLength(3);
    send('tool_schema', writeFile({ name: { type: 'string' } }));
    expect(() => send('policy_set', push([typed], { expectedVersion: versionOf([typed]), mode: 'log-only' }))).toThrow(
      expect.objectContaining({ code: 'policy.invalid' }),
    );
  });

  test('replaces only the version that its author saw', () => {
    const send = tenant();
    expect(() => send('policy_set', push([open], { expectedVersion: 'sha256:x' }))).toThrow(
      expect.objectContaining({ code: 'policy.version_changed' }),
    );
    send('policy_set', push([open], { expectedVersion: '' }));
    expect(() => send('policy_set', push([typed], { expectedVersion: '' }))).toThrow(
      expect.objectContaining({ code: 'policy.version_changed', details: { version: versionOf([open]) } }),
    );
    expect(send('policy_set', push([typed], { expectedVersion: versionOf([open]) }))).toHaveLength(3);
  });

  test('is named by its content: order does not matter, names and text do', () => {
    const [a, b] = [file('// a', 'a.cedar'), file('// b', 'b.cedar')];
    expect(versionOf([a, b])).toBe(versionOf([b, a]));
    expect(versionOf([a, b])).not.toBe(versionOf([a]));
    expect(versionOf([a])).not.toBe(versionOf([file('// a', 'c.cedar')]));
    const tooLarge = expect.objectContaining({ code: 'policy.too_large' });
    expect(() => versionOf([file('x'.repeat(400_000))])).toThrow(tooLarge);
    const policies = (count: number) => 'permit(principal,action,resource);'.repeat(count);
    expect(() => versionOf([file(policies(600)), file(policies(401))])).toThrow(tooLarge);
    expect(versionOf([file(policies(1_000))])).toMatch(/^sha256:/);
  });
});

describe('the schemas of tools', () => {
  test('are written when they change, and once', () => {
    const send = tenant();
    expect(send('tool_schema', writeFile({ path: { type: 'string' } }))).toEqual(['tool_schema.registered.v1']);
    expect(send('tool_schema', writeFile({ path: { type: 'string' } }))).toEqual([]);
    expect(send('tool_schema', writeFile({ path: { type: 'integer' } }))).toEqual(['tool_schema.registered.v1']);
    expect(send('tool_schema', { type: 'remove', tools: ['files/write_file', 'no/such'] })).toEqual([
      'tool_schema.removed.v1',
    ]);
    expect(send('tool_schema', { type: 'remove', tools: ['files/write_file'] })).toEqual([]);
  });

  test.each(['nothing', '/x', 'x/', 'a b/c'])('of "%s" are refused', (tool) => {
    expect(() => tenant()('tool_schema', { type: 'register', tools: [{ tool, inputSchema: {} }] })).toThrow(
      expect.objectContaining({ code: 'tool_schema.invalid' }),
    );
  });
});
