import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { fitsInline, maxInlineBytes, maxInlineDepth } from './inline.js';

const fits = (json: string) => fitsInline(Buffer.from(json));
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

test('a value that is small and flat stands in the event', () => {
  expect(fits('{"a":[1,"]]]]{{{{\\"[",null]}')).toBe(true);
  expect(fits(`${'['.repeat(maxInlineDepth)}${']'.repeat(maxInlineDepth)}`)).toBe(true);
  expect(fits(JSON.stringify('x'.repeat(maxInlineBytes - 2)))).toBe(true);
  expect(fits(JSON.stringify('😀 \\u0000'))).toBe(true);
});

test('what is large, deep or half a surrogate pair is put aside', () => {
  verifies('scheduler.deep_values');
  expect(fits(JSON.stringify('x'.repeat(maxInlineBytes)))).toBe(false);
  expect(fits('['.repeat(maxInlineDepth + 1))).toBe(false);
  expect(fits(JSON.stringify('\ud800'))).toBe(false);
  expect(fits('['.repeat(60_000))).toBe(false);
});

test('depth is counted as it is, whatever the texts hold', () => {
  const json = fc.jsonValue({ maxDepth: 40, stringUnit: fc.constantFrom('[', '{', '"', '\\', 'u', 'd', '8', ']') });
  const wrapped = fc.tuple(json, fc.nat(40)).map(([value, times]) => {
    let deep: unknown = value;
    for (let at = 0; at < times; at++) deep = at % 2 === 0 ? [deep] : { '"[': deep };
    return deep;
  });
  fc.assert(
    fc.property(wrapped, (value) => {
      const text = JSON.stringify(value);
      fc.pre(text.length < maxInlineBytes && !/\\ud[8d]/i.test(text));
      expect(fits(text)).toBe(depthOf(value) <= maxInlineDepth);
    }),
  );
});
