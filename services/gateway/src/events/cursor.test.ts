import { expect, test } from '@jest/globals';
import { DomainError } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { everyPartition, formatCursor, parseCursor } from './cursor.js';

test('a cursor survives being written and read', () => {
  const commits = everyPartition.map((_, at) => at * 1_000_003);
  expect(parseCursor(formatCursor({ commits }))).toEqual({ commits });
  expect(parseCursor(formatCursor({ commits, within: { at: 3, index: 12 } }))).toEqual({
    commits,
    within: { at: 3, index: 12 },
  });
});

test('a cursor of fewer partitions is at the start of the others', () => {
  expect(parseCursor('c1-a').commits.slice(0, 3)).toEqual([10, 0, 0]);
});

test.each([
  '',
  'c1',
  '1234',
  'c2-1',
  'c1-1.-2',
  'c1-9999999999999999999',
  `c1-${'.'.repeat(400)}`,
  'c1-1~x',
  '__proto__',
])('%p is refused', (text) => {
  expect(() => parseCursor(text)).toThrow('is not a cursor');
});

test('whatever somebody sends is a cursor or refused, and fast', () => {
  verifies('api.strict');
  const part = fc.constantFrom(
    'c1-',
    '.',
    '~',
    '0',
    'z',
    '-',
    '9'.repeat(9),
    'zzzzzzzzzzz',
    '\n',
    '\u0000',
    '__proto__',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 200 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (word) => {
      try {
        const { commits, within } = parseCursor(word);
        expect(commits).toHaveLength(everyPartition.length);
        expect(commits.every((commit) => Number.isSafeInteger(commit) && commit >= 0)).toBe(true);
        if (within) expect(within.at).toBeLessThan(everyPartition.length);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
      }
    }),
    { numRuns: 2_000 },
  );
});
