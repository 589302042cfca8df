import path from 'node:path';
import { expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { readGoldenFixtures } from '@writ/ledger/testing';
import { memoryEvents, type MemoryEvent } from './memory.events.js';
import { evolve, memoryAggregate, type Memory } from './memory.js';

const types = Object.keys(memoryEvents);

test('every event that was ever written is still read as it was written', async () => {
  expect([...memoryAggregate.events].sort()).toEqual(types.sort());
  const events = await readGoldenFixtures({
    folder: path.join(import.meta.dirname, 'fixtures'),
    current: types,
    read: ({ type, data }) => expect(memoryEvents[type as keyof typeof memoryEvents].parse(data)).toEqual(data),
  });
  const [forgotten, remembered] = events as (LedgerEvent & MemoryEvent)[];
  const kept = evolve({ status: 'none' }, remembered as MemoryEvent);
  expect(kept).toMatchObject({ status: 'kept', scope: 'repo/writ', text: 'config.ts holds a token in line 12' });
  const gone: Memory = { status: 'forgotten', scope: 'repo/writ' };
  expect(evolve(kept, forgotten as MemoryEvent)).toEqual(gone);
});
