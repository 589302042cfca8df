import { expect, test } from '@jest/globals';
import { newLanedId } from '@writ/ledger/domain';
import { isRunId } from '@writ/enforcement';
import { verifies } from '@writ/testkit';
import { schedulerPartition } from '../partition/place.js';
import { childId, madeAtMs } from './run-id.js';

const parent = { life: 'run_1', partition: 14 };
const ids = (count: number, name = 'review') =>
  Array.from({ length: count }, (_, i) => childId(parent, { name, occurrence: i + 1 }));

test('the first children of a name live where their parent lives, those after them next door', () => {
  verifies('run.children_together');
  const partitions = ids(50).map((id) => schedulerPartition('tnt_1', id));
  expect(partitions).toEqual([...Array(16).fill(14), ...Array(16).fill(15), ...Array(16).fill(0), 1, 1]);
  expect(new Set(ids(256).map((id) => schedulerPartition('tnt_1', id))).size).toBe(16);
});

test('a child has the same id for the same command, and another one for every other', () => {
  verifies('run.children_together');
  const [first = '', second] = ids(2);
  expect(childId(parent, { name: 'review', occurrence: 1 })).toBe(first);
  expect(new Set([first, second, ids(1, 'fix')[0], childId({ ...parent, life: 'run_1~1' }, { name: 'review', occurrence: 1 })]).size).toBe(4); // prettier-ignore
  expect(isRunId(first)).toBe(true);
});

test('only an id that says when it was made says so', () => {
  expect(madeAtMs(newLanedId('run'))).toBeCloseTo(Date.now(), -4);
  expect(madeAtMs(ids(1)[0] as string)).toBeUndefined();
});
