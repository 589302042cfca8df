import path from 'node:path';
import { expect, test } from '@jest/globals';
import { readGoldenFixtures } from '@writ/ledger/testing';
import { recordEvents, type Sealed } from './record.events.js';
import { recordAggregate } from './record.js';

test('every event that was ever written is still read as it was written', async () => {
  expect(recordAggregate.events).toEqual(Object.keys(recordEvents));
  const [sealed] = await readGoldenFixtures({
    folder: path.join(import.meta.dirname, 'fixtures'),
    current: Object.keys(recordEvents),
    read: ({ type, data }) => expect(recordEvents[type as keyof typeof recordEvents].parse(data)).toEqual(data),
  });
  const before = { size: 5, root: 'r', heads: { 'scheduler/07': 3, 'audit/00': 1 } };
  const event = { ...(sealed as unknown as Sealed), time: '', subject: 'record' };
  expect(recordAggregate.evolve(before, event)).toEqual({
    size: 9,
    root: 'sQmUoHGeQ1N9cV3ZUu6uXkqkkKZpc3qS0MZ6b3U2b3w=',
    heads: { 'scheduler/07': 5, 'audit/00': 2 },
  });
});
