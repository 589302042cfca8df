import { expect, test } from '@jest/globals';
import type { Commit } from '@writ/ledger';
import { SealedCommits } from './sealed-commits.js';

const commit = (number: number, size = 10): Commit =>
  ({ service: 'scheduler', partition: 7, commit: number, bytes: new Uint8Array(size) }) as Commit;

test('a commit is given once', () => {
  const sealed = new SealedCommits();
  const [first, second] = [commit(1), commit(2)];
  sealed.keep([first, second]);
  expect(sealed.take('scheduler', 7, 1)).toBe(first);
  expect(sealed.take('scheduler', 7, 1)).toBeUndefined();
  expect(sealed.take('scheduler', 8, 2)).toBeUndefined();
  expect(sealed.take('scheduler', 7, 2)).toBe(second);
});

test('what is too much is forgotten, the oldest first; what is sealed again counts once', () => {
  const sealed = new SealedCommits();
  const mib = 1024 * 1024;
  sealed.keep([commit(1, 10 * mib), commit(2, 20 * mib)]);
  sealed.keep([commit(2, 20 * mib)]);
  expect(sealed.take('scheduler', 7, 1)).toBeDefined();
  sealed.keep([commit(3, 20 * mib)]);
  expect(sealed.take('scheduler', 7, 2)).toBeUndefined();
  expect(sealed.take('scheduler', 7, 3)).toBeDefined();
});
