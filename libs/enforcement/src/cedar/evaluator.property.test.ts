import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Json } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { argumentsOfSchema, Evaluator, readPolicies, type PolicyRequest } from '../cedar.js';

const nasty = fc.constantFrom(
  '__entity',
  '__extn',
  '__expr',
  '__proto__',
  'constructor',
  'toString',
  'path',
  'nested',
  'arguments',
  '',
  '\ud800',
  'a/b',
);
const key = fc.oneof(nasty, fc.string({ unit: 'binary' }));
const value = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }), fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('\udc00'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ) as fc.Arbitrary<Json>,
})).value; // prettier-ignore

const { policies } = readPolicies([
  {
    name: 'random.cedar',
    text: `
      @id("whole") permit(principal, action, resource) when { context.arguments == { path: "x" } };
      @id("path") permit(principal, action, resource) when { context.arguments.path like "*a*" && context.arguments.nested.deep > 3 };
      @id("ask") @ask("?") permit(principal, action, resource) when { context.arguments has list && context.arguments.list.contains("a") };
      @id("never") forbid(principal, action, resource) when { context.undeclared.contains("__proto__") };`,
  },
]);
const schema = { type: 'object', properties: { path: { type: 'string' }, nested: { type: 'object', properties: { deep: { type: 'integer' } } }, list: { type: 'array', items: { type: 'string' } } } }; // prettier-ignore

test('no arguments, no identifiers and no context make the evaluator throw, and nonsense is never allowed', () => {
  verifies('policy.evaluator_total');
  const evaluator = new Evaluator(policies, new Map([['s/typed', argumentsOfSchema(schema)]]));
  const request = fc.record({
    tool: fc.oneof(fc.constant('s/typed'), fc.string({ unit: 'binary' })),
    principal: fc.string({ unit: 'binary' }),
    action: fc.oneof(fc.constantFrom('tool.call', 'memory.write', 'sandbox.exec'), fc.string()),
    args: value,
    labels: fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(request, ({ tool, principal, action, args, labels }) => {
      const asked: PolicyRequest = {
        principal: { type: 'Agent', id: principal, tenant: 't', depth: 0 },
        action,
        resource: { type: 'Tool', id: tool },
        arguments: args,
        context: { labels },
      };
      const { outcome, reasons } = evaluator.decide(asked);
      expect(['allow', 'deny', 'ask']).toContain(outcome);
      expect(reasons.length).toBeGreaterThan(0);
      if (outcome !== 'deny') expect(args).toEqual(expect.any(Object));
    }),
    { numRuns: 1500 },
  );
});

test('any JSON Schema gives types that Cedar accepts', () => {
  fc.assert(
    fc.property(value, value, (properties, args) => {
      const type = argumentsOfSchema({ type: 'object', properties, required: ['path'] });
      const whole = readPolicies([
        { name: 'w', text: 'permit(principal, action, resource) unless { context.arguments == { path: "x" } };' },
      ]);
      using evaluator = new Evaluator(whole.policies, new Map([['s/t', type]]));
      const { reasons } = evaluator.decide({ principal: { type: 'Agent', id: 'a', tenant: 't', depth: 0 }, action: 'tool.call', resource: { type: 'Tool', id: 's/t' }, arguments: args }); // prettier-ignore
      expect(reasons[0]?.text).not.toMatch(/schema|type not found/);
    }),
    { numRuns: 500 },
  );
});
