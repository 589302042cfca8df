import { expect, test } from '@jest/globals';
import type { Commit } from '../log/commit.js';
import type { LedgerSource } from '../source.js';
import { Tail } from './tail.js';

const commit = (number: number) => ({ commit: number, bytes: new Uint8Array(10) }) as Commit;
const numbers = (commits: readonly Commit[] | undefined) => commits?.map((each) => each.commit);

test('commits are kept until all who follow have taken them, and no longer', async () => {
  const tail = new Tail({} as LedgerSource, { service: 'policy', partition: 0 }, 4);
  const { signal } = new AbortController();
  tail.push(commit(5));
  expect(tail.after(4)).toBeUndefined();
  const [fast, slow] = [tail.cursor(5), tail.cursor(5)];
  for (const each of [6, 7]) tail.push(commit(each));
  expect(numbers(await fast.next(signal))).toEqual([6, 7]);
  expect(numbers(tail.after(5))).toEqual([6, 7]);
  tail.push(commit(8));
  expect(numbers(await slow.next(signal))).toEqual([6, 7, 8]);
  expect(numbers(await fast.next(signal))).toEqual([8]);
  expect(tail.after(7)).toBeUndefined();
  tail.push(commit(9));
  await fast.next(signal);
  expect(numbers(tail.after(8))).toEqual([9]);
  slow.close();
  expect(tail.after(8)).toBeUndefined();
  expect(tail.head).toBe(9);
});
