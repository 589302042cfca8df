import { create, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from '@jest/globals';
import { CreateItemRequestSchema, EchoRequestSchema } from '@writ/proto/testing/v1/case';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { unfitValue } from './unfit-values.js';

type Item = Parameters<typeof create<typeof CreateItemRequestSchema>>[1] extends infer I ? I : never;
const found = (item: NonNullable<NonNullable<Item>['item']>) =>
  unfitValue(CreateItemRequestSchema, create(CreateItemRequestSchema, { item }))?.field;

describe('a text with U+0000 or half of a surrogate pair is found wherever it stands', () => {
  test.each(['a\u0000', '\ud800b', 'a\udc00'])('%j', (bad) => {
    verifies('api.unfit_text');
    expect(found({ name: bad })).toBe('item.name');
    expect(found({ tags: ['fine', bad] })).toBe('item.tags[1]');
    expect(found({ labels: { [bad]: 'fine' } })).toBe('item.labels');
    expect(found({ labels: { fine: bad } })).toBe('item.labels["fine"]');
    expect(found({ owner: { case: 'agent', value: bad } })).toBe('item.agent');
    expect(found({ extra: { deep: [{ er: bad }] } })).toContain('item.extra');
    expect(found({ extra: { deep: [{ [bad]: 1 }] } })).toContain('item.extra');
    expect(unfitValue(EchoRequestSchema, create(EchoRequestSchema, { items: [{ name: bad }] }))?.field).toBe(
      'items[0].name',
    );
  });
});

test.each([NaN, Infinity, -Infinity])('%d is found in free JSON, which cannot say it', (bad) => {
  expect(found({ extra: { deep: [{ er: bad }] } })).toContain('item.extra');
  const value = create(ValueSchema, { kind: { case: 'numberValue', value: bad } });
  expect(unfitValue(ValueSchema, value)?.field).toBe('number_value');
});

test('bytes may hold anything, and so may a text everything else', () => {
  expect(
    found({ picture: Uint8Array.of(0, 0xd8, 0), name: '\u0001\uffff😀', extra: { n: 0, t: true } }),
  ).toBeUndefined();
  expect(unfitValue(CreateItemRequestSchema, create(CreateItemRequestSchema))).toBeUndefined();
});

test('exactly the free JSON with such a text is found', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: fc.constantFrom('a', '😀', '\u0000', '\ud800', '\\') }), (json) => {
      const message = create(CreateItemRequestSchema, { item: { extra: { json: json as never } } });
      const text = JSON.stringify(json);
      const holds = /(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/.test(text);
      expect(unfitValue(CreateItemRequestSchema, message) !== undefined).toBe(holds);
    }),
  );
});

test('a value outside a struct is looked into as well', () => {
  const value = create(ValueSchema, { kind: { case: 'stringValue', value: 'a\u0000' } });
  expect(unfitValue(ValueSchema, value)?.field).toBe('string_value');
  expect(toJson(ValueSchema, value)).toBe('a\u0000');
});
