import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalJson, NotCanonical } from './canonical-json.js';
import { digestOf } from './digest.js';

describe('canonical JSON (RFC 8785)', () => {
  test('the example of section 3.2.3: members sort by UTF-16 code units', () => {
    const value = { '€': 'Euro Sign', '\r': 'Carriage Return', '\ufb33': 'Hebrew Letter Dalet With Dagesh', '1': 'One', '😀': 'Emoji: Grinning Face', '\u0080': 'Control', 'ö': 'Latin Small Letter O With Diaeresis' }; // prettier-ignore
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toEqual(['One', 'Carriage Return', 'Control', 'Latin Small Letter O With Diaeresis', 'Euro Sign', 'Emoji: Grinning Face', 'Hebrew Letter Dalet With Dagesh']); // prettier-ignore
  });

  test('numbers as in section 3.2.2.3', () => {
    expect(canonicalJson([333333333.33333329, 1e30, 4.5, 2e-3, 1e-27, -0])).toBe(
      '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]',
    );
  });

  test('the order of members and white space do not change the digest; any value does', () => {
    expect(digestOf({ b: [1, 2], a: 'x' })).toBe(digestOf(JSON.parse('{ "a": "x", "b": [1,2] }')));
    expect(digestOf({ a: 1 })).not.toBe(digestOf({ a: '1' }));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });

  test.each([[Number.NaN], [Number.POSITIVE_INFINITY], ['\ud800'], [{ '\udc00': 1 }], [1n], [() => 1]])(
    '%p has no canonical form',
    (value) => {
      expect(() => canonicalJson(value)).toThrow(NotCanonical);
    },
  );

  test('a value nested without end is refused before the stack ends', () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 100_000; depth++) value = [value];
    expect(() => canonicalJson(value)).toThrow(NotCanonical);
  });

  test('every JSON value survives, and its form is stable', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
