import { expect, test } from '@jest/globals';
import { compare, type CommitHash } from './integrity.js';

const place = { service: 'scheduler', partition: 7 };
const recorded: CommitHash[] = ['a', 'b', 'c', 'd', 'e'].map((hash, at) => ({ commit: at + 1, hash }));
const found = (stored: readonly CommitHash[]) =>
  compare(place, recorded, stored).map(({ kind, firstCommit, lastCommit }) => [kind, firstCommit, lastCommit]);

test('nothing is wrong where everything is there, and what came since is not compared', () => {
  expect(found([...recorded, { commit: 6, hash: 'f' }])).toEqual([]);
});

test('a commit that is gone from the middle is missing', () => {
  expect(found(recorded.filter(({ commit }) => commit !== 3))).toEqual([['missing', 3, 3]]);
});

test('a tail that is gone is cut, also when nothing is left', () => {
  expect(found(recorded.slice(0, 3))).toEqual([['cut', 4, 5]]);
  expect(found([])).toEqual([['cut', 1, 5]]);
});

test('a beginning that is gone was trimmed', () => {
  expect(found(recorded.slice(2))).toEqual([['trimmed', 1, 2]]);
});

test('another body is a change', () => {
  expect(found(recorded.map((each) => (each.commit === 2 ? { ...each, hash: 'x' } : each)))).toEqual([
    ['changed', 2, 2],
  ]);
});

test('two that changed places are named as such', () => {
  const swapped = recorded.map(({ commit, hash }) => ({
    commit,
    hash: commit === 2 ? 'c' : commit === 3 ? 'b' : hash,
  }));
  expect(found(swapped)).toEqual([['reordered', 2, 3]]);
});

test('the sentence names the partition and the commits', () => {
  expect(compare(place, recorded, recorded.slice(0, 3))[0]?.text).toContain(
    'each of the commits 4 to 5 of scheduler/07',
  );
});

test('what was taken out is missing, what was put in is inserted, and the rest has moved', () => {
  const moved = (hashes: string) => [...hashes].map((hash, at) => ({ commit: at + 1, hash }));
  expect(found(moved('abde'))).toEqual([
    ['missing', 3, 3],
    ['reordered', 4, 5],
  ]);
  expect(found(moved('abxcde'))).toEqual([
    ['inserted', 3, 3],
    ['reordered', 3, 5],
  ]);
});

test('what the signed heads name is missed also where the index has not got so far', () => {
  const kinds = compare(place, recorded.slice(0, 3), recorded.slice(0, 3), 5).map(({ kind, firstCommit }) => [
    kind,
    firstCommit,
  ]);
  expect(kinds).toEqual([['cut', 4]]);
});
