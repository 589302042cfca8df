import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { WritError } from '../errors/errors.js';
import { decode, decodeBytes, encode, encodeBytes } from './codec.js';

const leaf = fc.oneof(
  fc.string(),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, Number.NaN, Infinity),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array(),
  fc.webUrl().map((url) => new URL(url)),
);
const key = fc.oneof(
  fc.string(),
  fc.constantFrom('$date', '$object', '$undefined', '__proto__', 'constructor', '$', 'toJSON'),
);
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
}));

describe('the codec', () => {
  test('gives back what it was given, whatever it is made of', () => {
    verifies('sdk.codec');
    fc.assert(
      fc.property(anything, (value) => {
        const decoded = decodeBytes(encodeBytes(value));
        expect(isDeepStrictEqual(normal(decoded), normal(value))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('is stable: encoding what was decoded gives the same JSON', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const encoded = encode(value);
        expect(encode(decode(encoded))).toEqual(encoded);
      }),
    );
  });

  test('leaves plain JSON as it is, so that the ledger stays readable', () => {
    const plain = { title: 'a', items: [1, 'two', null, true], nested: { a: { b: [] } } };
    expect(encode(plain)).toEqual(plain);
    expect(encode({ at: new Date(0), big: 12n })).toEqual({
      at: { $date: '1970-01-01T00:00:00.000Z' },
      big: { $bigint: '12' },
    });
  });

  test('keeps a property that is undefined, and tells no bytes from a value', () => {
    expect(decode(encode({ a: undefined }))).toStrictEqual({ a: undefined });
    expect(decodeBytes(new Uint8Array())).toBeUndefined();
  });

  class Money {
    constructor(readonly cents: number) {}
  }
  const loop: { self?: unknown } = {};
  loop.self = { deep: loop };
  let deep: unknown = 1;
  for (let i = 0; i < 600; i++) deep = [deep];

  test.each([
    ['a function', { items: [0, { onClick: () => 1 }] }, '.items[1].onClick', /function/],
    ['a symbol', [Symbol('s')], '[0]', /symbol/],
    ['an instance of a class', { price: new Money(1) }, '.price', /instance of Money/],
    ['a cycle', { loop }, '.loop.self.deep', /itself/],
    ['an invalid date', { 'due date': new Date(Number.NaN) }, '["due date"]', /invalid Date/],
    ['a symbol as a key', { a: { [Symbol('k')]: 1 } }, '.a', /symbol as a key/],
    ['a map that holds a function', new Map([['k', () => 1]]), '.get("k")', /function/],
    ['a promise', { later: Promise.resolve(1) }, '.later', /instance of Promise/],
    ['too deep', deep, '[0]'.repeat(500), /500 levels/],
  ])('refuses %s and names its path', (_, value, path, message) => {
    const error = caught(() => encode(value));
    expect(WritError.is(error, 'codec.unsupported')).toBe(true);
    expect((error as WritError).details).toEqual({ path });
    expect((error as WritError).message).toMatch(message);
  });

  test('the same object twice beside each other is no cycle', () => {
    const shared = { a: 1 };
    expect(decode(encode([shared, shared]))).toEqual([shared, shared]);
  });

  test('plain JSON of callers without the SDK is data, also where a key begins with $', () => {
    for (const plain of [{ $ref: '#/a' }, { $toString: 1 }, { $date: 'x', and: 1 }, { a: { $: [] } }])
      expect(decode(plain)).toEqual(plain);
    expect(decode(encode({ $date: 'mine' }))).toEqual({ $date: 'mine' });
  });

  test.each([{ $bigint: 'x' }, { $map: [1] }, { $url: 'no url' }, { $set: 1 }])('%j is malformed', (encoded) => {
    expect(
      WritError.is(
        caught(() => decode(encoded)),
        'codec.malformed',
      ),
    ).toBe(true);
  });

  test('a key __proto__ stays data and changes no prototype', () => {
    const decoded = decode(encode(JSON.parse('{"__proto__": {"admin": true}}'))) as object;
    expect((decoded as { admin?: boolean }).admin).toBeUndefined();
    expect(Object.keys(decoded)).toEqual(['__proto__']);
  });
});

function caught(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

/** For comparing: dictionaries of fast-check have no prototype, and two URLs are equal by their text. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [normal(k), normal(v)]));
  if (value instanceof Set) return new Set([...value].map(normal));
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof URL) return [URL, value.href];
  if (value instanceof Date || value instanceof Uint8Array) return value;
  const record = {};
  for (const [k, v] of Object.entries(value))
    Object.defineProperty(record, k, { value: normal(v), enumerable: true, configurable: true, writable: true });
  return record;
}
