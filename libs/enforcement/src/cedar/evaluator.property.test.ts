import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Json } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { canonicalJson, NotCanonical } from '../canonical-json.js';
import { argumentsOfSchema, Evaluator, readPolicies, type ArgumentType, type PolicyRequest } from '../cedar.js';
import { cedarSchema } from './cedar-schema.js';
import { ArgumentMismatch } from './cedar-value.js';
import { cedarRequest } from './request.js';

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

/** A value of that type, or now and then any other. */
function fitting(type: ArgumentType): fc.Arbitrary<Json | undefined> {
  const of = (): fc.Arbitrary<Json | undefined> => {
    switch (type.kind) {
      case 'string':
        return fc.string({ unit: 'binary' });
      case 'integer':
        return fc.maxSafeInteger();
      case 'number':
        return fc.maxSafeInteger().map((n) => n / 10_000);
      case 'boolean':
        return fc.boolean();
      case 'array':
        return fc.array(fitting(type.element), { maxLength: 3 }) as fc.Arbitrary<Json>;
      case 'object': {
        const members = Object.entries(type.properties).map(([name, member]) => [name, fitting(member.type)] as const);
        return fc.record(Object.fromEntries(members), { requiredKeys: [] }) as fc.Arbitrary<Json>;
      }
      case 'json':
        return value;
    }
  };
  return fc.oneof({ arbitrary: of(), weight: 20 }, { arbitrary: value, weight: 1 });
}

const jsonSchema = fc.letrec<{ schema: Json }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('string', 'integer', 'number', 'boolean', 'null').map((type) => ({ type })),
    value,
    tie('schema').map((items) => ({ type: 'array', items })),
    fc.dictionary(key, tie('schema'), { maxKeys: 3, noNullPrototype: true }).map((properties) => ({ type: 'object', properties, required: ['path'] })),
  ) as fc.Arbitrary<Json>,
})).schema; // prettier-ignore

test('whatever a decision gives to Cedar fits the schema that policies were checked against', () => {
  const calls = fc.dictionary(key, jsonSchema, { maxKeys: 4, noNullPrototype: true }).chain((properties) => {
    const type = argumentsOfSchema({ type: 'object', properties });
    const run = fc.option(fc.string({ unit: 'binary' }), { nil: undefined });
    return fc.record({ type: fc.constant(type), args: fitting(type), run, approved: fc.boolean() });
  });
  let asked = 0;
  fc.assert(
    fc.property(calls, ({ type, args = {}, run, approved }) => {
      const request: PolicyRequest = {
        principal: { type: 'Agent', id: 'a', tenant: 't', depth: 2, ...(run !== undefined && { run }) },
        action: 'tool.call',
        resource: { type: 'Tool', id: 's/t', attributes: { effect: 'write' } },
        arguments: args,
        context: { labels: ['untrusted'], pin: 'p', workflow: 'w' },
      };
      const call = refusedOr(() => {
        canonicalJson([type, args]); // what has no canonical form is denied whatever the policies say
        return cedarRequest(request, { type, declared: type, approved });
      });
      if (call === undefined) return;
      asked++;
      const schema = cedarSchema([{ action: 'tool.call', resources: ['Tool'], arguments: type }]);
      const answer = isAuthorized({ ...call, schema, validateRequest: true, policies: { staticPolicies: {} } });
      expect(answer).toMatchObject({ type: 'success' });
    }),
    { numRuns: 300 },
  );
  expect(asked).toBeGreaterThan(100);
});

/** Undefined for arguments that are refused before Cedar sees them. */
function refusedOr<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (problem) {
    if (problem instanceof ArgumentMismatch || problem instanceof NotCanonical) return undefined;
    throw problem;
  }
}
