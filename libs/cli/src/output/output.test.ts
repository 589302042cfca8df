import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { table, type Column } from './table.js';
import { ago, cut, plain, plainLine, widthOf } from './text.js';

const columns: readonly Column<{ id: string; title: string; n: number }>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'TITLE', of: ({ title }) => title, flexible: true },
  { head: 'N', of: ({ n }) => n, right: true },
];
const rows = [
  { id: 'a', title: 'a long title of many words', n: 5 },
  { id: 'bcd', title: '日本', n: 1234 },
];
const stream = (isTTY: boolean, width: number) =>
  Object.assign(new PassThrough(), { isTTY, columns: width }) as unknown as NodeJS.WriteStream;

test('without a terminal a table is aligned, whole and without colours', () => {
  expect(table(rows, columns, stream(false, 20))).toBe(
    [
      'ID   TITLE                          N',
      'a    a long title of many words     5',
      'bcd  日本                        1234',
      '',
    ].join('\n'),
  );
});

test('on a narrow terminal only what is flexible is cut', () => {
  const lines = table(rows, columns, stream(true, 26)).split('\n');
  expect(lines[1]).toBe('a    a long title o…     5');
  expect(lines.every((line) => widthOf(line.replace(/\u001b\[\d+m/g, '')) <= 26)).toBe(true);
});

test('what an agent wrote cannot move the cursor, colour, hide or turn text around', () => {
  verifies('cli.hostile_text');
  expect(plain('a\u001b[2Jb\u202ec\u0007\nd')).toBe('a\\u{1b}[2Jb\\u{202e}c\\u{7}\nd');
  expect(plainLine('one\n  two\tthree')).toBe('one two three');
});

test.each([
  [4, 'abcd', 'abcd'],
  [3, 'abcd', 'ab…'],
  [4, '日本語', '日…'],
])('cut to %d: %s is %s', (width, text, expected) => {
  expect(cut(text, width)).toBe(expected);
});

test.each([
  [5_000, '5s ago'],
  [120_000, '2m ago'],
  [7_200_000, '2h ago'],
  [3 * 86_400_000, '3d ago'],
  [-60_000, 'in 1m'],
])('%d ms before is %s', (ms, expected) => {
  const now = Date.parse('2026-11-23T12:00:00Z');
  expect(ago(new Date(now - ms).toISOString(), now)).toBe(expected);
});
