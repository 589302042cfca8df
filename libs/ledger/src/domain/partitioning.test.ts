import { describe, expect, test } from '@jest/globals';
import { commandSubject, commitSubject, fnv1a32, partitionOf, preferredOwner, streamName } from './partitioning.js';

describe('fnv1a32', () => {
  test.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of %p is the published value', (text, hash) => {
    expect(fnv1a32(text)).toBe(hash);
  });

  test('works on UTF-8 bytes, not on UTF-16 units', () => {
    let expected = 0x811c9dc5;
    for (const byte of [0x61, 0xc3, 0xa9]) expected = Math.imul(expected ^ byte, 0x01000193);
    expect(fnv1a32('aé')).toBe(expected >>> 0);
  });
});

describe('partitionOf', () => {
  test('stays in range and spreads', () => {
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) counts[partitionOf('tnt_a', `run_${i}`, 16)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1200);
  });

  test('the tenant counts', () => {
    const spread = new Set(Array.from({ length: 64 }, (_, i) => partitionOf(`tnt_${i}`, 'run_1', 16)));
    expect(spread.size).toBeGreaterThan(8);
  });
});

describe('preferredOwner', () => {
  test('gives each replica its share, and moves only the share of the one that leaves', () => {
    const replicas = ['a', 'b', 'c'];
    const before = Array.from({ length: 96 }, (_, p) => preferredOwner('scheduler', p, replicas));
    for (const replica of replicas) expect(before.filter((owner) => owner === replica).length).toBeGreaterThan(15);
    const after = before.map((_, p) => preferredOwner('scheduler', p, ['a', 'c']));
    for (const [p, owner] of before.entries()) if (owner !== 'b') expect(after[p]).toBe(owner);
  });

  test('is nobody where nobody lives', () => {
    expect(preferredOwner('scheduler', 0, [])).toBeUndefined();
  });
});

test('names of streams and subjects', () => {
  expect(streamName('sandbox-runner', 0)).toBe('LEDGER_SANDBOX_RUNNER_00');
  expect(commitSubject('scheduler', 7)).toBe('ledger.scheduler.07');
  expect(commandSubject('scheduler', 15)).toBe('command.scheduler.15');
});
