import { expect, test } from '@jest/globals';
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
