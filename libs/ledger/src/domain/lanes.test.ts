import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { newLanedId } from './ids.js';
import { laneOf } from './lanes.js';
import { partitionOf } from './partitioning.js';

describe('an id with a lane', () => {
  const partitionsAt = (ms: number, count = 100): number[] => {
    jest.setSystemTime(ms);
    return Array.from({ length: count }, () => partitionOf('tnt_1', newLanedId('run'), 16));
  };

  beforeAll(() => void jest.useFakeTimers());
  afterAll(() => void jest.useRealTimers());

  test('lives with those that were made at the same time, and in the long run everywhere', () => {
    verifies('ledger.lanes');
    const start = Date.parse('2026-11-23T12:00:00Z');
    expect(new Set(partitionsAt(start)).size).toBe(1);
    expect(new Set(partitionsAt(start + 10_000, 64_000)).size).toBe(16);
    const counts = new Array<number>(16).fill(0);
    for (let second = 0; second < 160; second++)
      for (const partition of partitionsAt(start + second * 1000)) counts[partition]!++;
    expect(Math.min(...counts)).toBe(Math.max(...counts));
  });

  test('is a UUIDv7 with two hexadecimal digits, which every reader takes for the same number', () => {
    verifies('ledger.lanes');
    expect(newLanedId('run')).toMatch(
      /^run_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-p[0-9a-f]{2}$/,
    );
    const id = 'run_01938c1e-6f2a-7000-9b1c-0123456789ab-p5f';
    expect(laneOf(id)).toBe(0x5f);
    for (const [partitions, partition] of [
      [16, 15],
      [4, 3],
      [3, 2],
      [1, 0],
    ] as const)
      expect(partitionOf('tnt_1', id, partitions)).toBe(partition);
    expect(partitionOf('tnt_2', id, 16)).toBe(15);
  });

  test.each([
    'run_01938c1e-6f2a-7000-9b1c-0123456789ab',
    'run_01938c1e-6f2a-7000-9b1c-0123456789ab-5f',
    'run_01938c1e-6f2a-7000-9b1c-0123456789ab-p5F',
    'run_01938c1e-6f2a-7000-9b1c-0123456789ab-p5',
    'run_01938c1e-6f2a-7000-9b1c-0123456789ab-p5f0',
    'refund-o1',
    '',
  ])('is not %p, which lives where its hash says', (id) => {
    expect(laneOf(id)).toBe(-1);
  });

  test('an id without a lane lives where it always has', () => {
    verifies('ledger.lanes');
    const ids = ['run_1', 'refund-o1', 'run_01938c1e-6f2a-7000-9b1c-0123456789ab'];
    expect(ids.map((id) => partitionOf('tnt_1', id, 16))).toEqual([15, 3, 13]);
  });
});
