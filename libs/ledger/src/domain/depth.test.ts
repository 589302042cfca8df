import { expect, test } from '@jest/globals';
import { deeperThan } from './depth.js';

const nested = (levels: number): unknown => JSON.parse(`${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`);

test('counts arrays and objects alike, and looks no further than it must', () => {
  expect(deeperThan(1, 0)).toBe(false);
  expect(deeperThan(null, 0)).toBe(false);
  expect(deeperThan([], 0)).toBe(true);
  expect(deeperThan(nested(90), 90)).toBe(false);
  expect(deeperThan(nested(92), 90)).toBe(true);
  expect(deeperThan([1, nested(2), nested(92)], 90)).toBe(true);
  expect(deeperThan(nested(200_000), 90)).toBe(true);
});
