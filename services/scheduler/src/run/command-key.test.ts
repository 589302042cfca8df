import { expect, test } from '@jest/globals';
import { keyOf, recordedKind } from './command-key.js';

test('names and occurrences have keys of their own, which a double holds, with the kind in them', () => {
  const keys = new Set<number>();
  for (let i = 0; i < 2000; i++)
    for (let occurrence = 1; occurrence <= 20; occurrence++) {
      const key = keyOf('step', `step ${i}`, occurrence);
      expect(Number.isSafeInteger(key)).toBe(true);
      keys.add(key);
    }
  expect(keys.size).toBe(40_000);
});

test('the kind under which a command was recorded is found by its name and occurrence', () => {
  const done = [keyOf('sleep', 'a', 1), keyOf('emit', 'a', 2)];
  expect(recordedKind(done, keyOf('step', 'a', 1))).toBe('sleep');
  expect(recordedKind(done, keyOf('step', 'a', 2))).toBe('emit');
  expect(recordedKind(done, keyOf('step', 'a', 3))).toBeUndefined();
  expect(recordedKind(done, keyOf('step', 'b', 1))).toBeUndefined();
});
