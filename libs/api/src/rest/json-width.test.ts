import { expect, test } from '@jest/globals';
import { isTooWide, mostValues } from './json-width.js';

const wide = (json: string) => isTooWide(Buffer.from(json));

test('a list of too many values is known by its commas', () => {
  expect(wide(`[${'1,'.repeat(mostValues - 1)}1]`)).toBe(false);
  expect(wide(`[${'1,'.repeat(mostValues)}1]`)).toBe(true);
  expect(wide(`{"a":[${'[1,1],'.repeat(mostValues)}`)).toBe(true);
});

test('commas in texts are no values', () => {
  expect(wide(JSON.stringify({ text: ','.repeat(3 * mostValues) }))).toBe(false);
  expect(wide(JSON.stringify({ text: `${'\\",'.repeat(mostValues)}`, more: [','] }))).toBe(false);
  expect(wide(`["\\"",${'1,'.repeat(mostValues)}`)).toBe(true);
});
