import { describe, expect, test } from '@jest/globals';
import type { Json } from '@writ/ledger/domain';
import { argumentsOfSchema, typeOfValue } from './argument-type.js';

const typeOf = (schema: Json) => argumentsOfSchema({ type: 'object', properties: { x: schema } }).properties['x'];

describe('the type of an argument from its JSON Schema', () => {
  test.each<[string, Json, object]>([
    ['a string', { type: 'string' }, { kind: 'string' }],
    ['an enum of strings', { enum: ['a', 'b'] }, { kind: 'string' }],
    ['a constant', { const: 3 }, { kind: 'integer' }],
    ['an integer', { type: 'integer', minimum: 0 }, { kind: 'integer' }],
    ['a number', { type: 'number' }, { kind: 'number' }],
    ['a boolean', { type: 'boolean' }, { kind: 'boolean' }],
    ['a list', { type: 'array', items: { type: 'string' } }, { kind: 'array', element: { kind: 'string' } }],
    ['a list of anything', { type: 'array' }, { kind: 'array', element: { kind: 'json' } }],
    ['a tuple', { type: 'array', prefixItems: [{ type: 'string' }] }, { kind: 'array', element: { kind: 'json' } }],
    [
      'a list with nulls',
      { type: 'array', items: { type: ['string', 'null'] } },
      { kind: 'array', element: { kind: 'json' } },
    ],
    [
      'an object',
      { type: 'object', properties: { y: { type: 'integer' } }, required: ['y'] },
      { kind: 'object', properties: { y: { type: { kind: 'integer' }, required: true } } },
    ],
    ['a map', { type: 'object', additionalProperties: { type: 'string' } }, { kind: 'json' }],
    ['a nullable union', { anyOf: [{ type: 'string' }, { type: 'null' }] }, { kind: 'string' }],
    ['a real union', { oneOf: [{ type: 'string' }, { type: 'integer' }] }, { kind: 'json' }],
    ['several types', { type: ['string', 'integer'] }, { kind: 'json' }],
    ['anything', {}, { kind: 'json' }],
    ['a boolean schema', true, { kind: 'json' }],
    ['a foreign reference', { $ref: 'https://example.com/x.json' }, { kind: 'json' }],
    [
      'an object with a name that Cedar reserves',
      { type: 'object', properties: { __entity: { type: 'string' } } },
      { kind: 'json' },
    ],
  ])('%s', (_, schema, type) => {
    expect(typeOf(schema)?.type).toEqual(type);
  });

  test('required means required, unless it may be null', () => {
    const properties = { a: { type: 'string' }, b: { type: 'string' }, c: { type: ['string', 'null'] } };
    const type = argumentsOfSchema({ type: 'object', properties, required: ['a', 'c'] });
    expect(Object.entries(type.properties).map(([name, { required }]) => [name, required])).toEqual([['a', true], ['b', false], ['c', false]]); // prettier-ignore
  });

  test('a local reference is followed, a recursive one ends as json', () => {
    const schema = { type: 'object', properties: { node: { $ref: '#/$defs/node' } }, $defs: { node: { type: 'object', properties: { name: { type: 'string' }, child: { $ref: '#/$defs/node' } } } } }; // prettier-ignore
    const { node } = argumentsOfSchema(schema).properties;
    expect(node?.type).toMatchObject({ kind: 'object', properties: { name: { type: { kind: 'string' } } } });
    expect(JSON.stringify(node)).toContain('"kind":"json"');
  });

  test('a schema that is not an object gives no arguments', () => {
    expect(argumentsOfSchema({ type: 'string' })).toEqual({ kind: 'object', properties: {} });
    expect(argumentsOfSchema(null)).toEqual({ kind: 'object', properties: {} });
  });

  test('without a schema the value speaks for itself', () => {
    expect(typeOfValue({ n: 1, d: 1.5, tiny: 1e-9, s: 'x', l: [1, 'a'], none: null, e: { __extn: 1 } })).toEqual({
      kind: 'object',
      properties: {
        n: { type: { kind: 'integer' }, required: true },
        d: { type: { kind: 'number' }, required: true },
        tiny: { type: { kind: 'json' }, required: true },
        s: { type: { kind: 'string' }, required: true },
        l: { type: { kind: 'array', element: { kind: 'json' } }, required: true },
        e: { type: { kind: 'json' }, required: true },
      },
    });
  });
});
