import { expect, test } from '@jest/globals';
import { TestPartition, keyOf } from '../testing/partition.js';
import { publishedKeys, type SigningKeys } from './signing-key.js';

test('two rotations at the same time are one', () => {
  const partition = new TestPartition('system');
  expect(partition.do('signing', 'signing', { type: 'activate', key: keyOf('a') })).toHaveLength(1);
  expect(partition.refused('signing', 'signing', { type: 'activate', key: keyOf('b') })).toBe(
    'identity.rotated_meanwhile',
  );
  const rotate = { type: 'activate', key: keyOf('b'), replaces: 'a-key' };
  expect(partition.do('signing', 'signing', rotate)).toHaveLength(1);
  expect(partition.do('signing', 'signing', rotate)).toEqual([]);
});

test('a former key is published until its last token has expired', () => {
  const since = '2026-11-23T10:00:00.000Z';
  const keys: SigningKeys = [
    { ...keyOf('new'), since },
    { ...keyOf('old'), since, until: '2026-11-23T11:00:00.000Z' },
  ];
  const kids = (now: string) => publishedKeys(keys, new Date(now), 600_000).map((key) => key.kid);
  expect(kids('2026-11-23T11:09:59.000Z')).toEqual(['new-key', 'old-key']);
  expect(kids('2026-11-23T11:10:00.000Z')).toEqual(['new-key']);
});
