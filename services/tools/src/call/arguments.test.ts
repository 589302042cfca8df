import { expect, test } from '@jest/globals';
import { DomainError, type Json } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { ArgumentRules } from './arguments.js';

const DRAFT_07 = 'http://json-schema.org/draft-07/schema#';
let hashes = 0;
const problem = (
  inputSchema: { [key: string]: Json },
  input: Json,
  rules = new ArgumentRules(),
  hash = `h${hashes++}`,
) => {
  try {
    rules.check('files/write', { hash, inputSchema }, input);
    return undefined;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return error;
  }
};
const violations = (inputSchema: { [key: string]: Json }, input: Json) =>
  problem(inputSchema, input)?.details['violations'];

test('arguments that fit pass; the others are told with their place', () => {
  const schema = { type: 'object', properties: { to: { type: 'array', items: { type: 'string' } } }, required: ['to'] };
  expect(problem(schema, { to: ['a'] })).toBeUndefined();
  expect(violations(schema, { to: ['a', 7] })).toEqual([{ field: 'arguments.to.1', detail: 'must be string' }]);
  expect(violations(schema, {})).toEqual([{ field: 'arguments', detail: "must have required property 'to'" }]);
  expect(violations({ ...schema, additionalProperties: false }, { to: [], cc: 1 })).toEqual([
    { field: 'arguments', detail: 'must NOT have additional properties (cc)' },
  ]);
});

test('a schema is 2020-12 unless it says draft-07', () => {
  verifies('tools.schema_dialects');
  const tuple = { type: 'object', properties: { at: { prefixItems: [{ type: 'number' }] } } };
  expect(violations(tuple, { at: ['x'] })).toHaveLength(1);
  const old = { $schema: DRAFT_07, type: 'object', properties: { at: { items: [{ type: 'number' }] } } };
  expect(violations(old, { at: ['x'] })).toHaveLength(1);
  expect(problem(old, { at: [1, 'x'] })).toBeUndefined();
  expect(problem({ type: 'object', unevaluatedProperties: false }, { a: 1 })?.code).toBe('tools.bad_arguments');
});

test('formats are checked', () => {
  const schema = { type: 'object', properties: { at: { type: 'string', format: 'date-time' } } };
  expect(problem(schema, { at: 'yesterday' })?.code).toBe('tools.bad_arguments');
  expect(problem(schema, { at: '2026-11-23T05:00:00Z' })).toBeUndefined();
});

test('nothing outside is fetched: a schema that points there cannot be used', () => {
  verifies('tools.no_external_ref');
  const schema = { type: 'object', properties: { a: { $ref: 'https://example.com/schema.json' } } };
  expect(problem(schema, { a: 1 })).toMatchObject({ code: 'tools.bad_schema' });
  const inside = { type: 'object', properties: { a: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'number' } } };
  expect(problem(inside, { a: 'x' })?.code).toBe('tools.bad_arguments');
});

test('two tools that give their schemas the same $id do not share them', () => {
  const rules = new ArgumentRules();
  const schema = (type: string) => ({ $id: 'https://example.com/a', type: 'object', properties: { a: { type } } });
  expect(problem(schema('string'), { a: 'x' }, rules)).toBeUndefined();
  expect(problem(schema('number'), { a: 'x' }, rules)?.code).toBe('tools.bad_arguments');
});

test('a schema is compiled once for each hash', () => {
  const rules = new ArgumentRules();
  expect(problem({ type: 'object' }, {}, rules, 'same')).toBeUndefined();
  // The hash stands for the definition: another schema under it is not looked at.
  expect(problem({ type: 'array' }, {}, rules, 'same')).toBeUndefined();
});
