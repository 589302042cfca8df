import { afterAll, beforeAll, expect, test } from '@jest/globals';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NatsServer } from '@writ/servers';
import { startSuiteNats, verifies } from '@writ/testkit';
import {
  aggregates,
  type Aggregate,
  type EventDraft,
  type Json,
  type LedgerEvent,
  type PartitionModel,
  type Upcaster,
} from './domain.js';
import { Ledger } from './index.js';
import { claimedType } from './owner/take-over.js';
import { add, counterModel, totalOf } from './testing/counter.js';
import { readGoldenFixtures } from './testing/golden.js';

/** The counter of tomorrow: it says what was there before, not what came out. */
type Added = EventDraft<'counter.added.v2', { amount: number; before: number }>;
const tomorrow: Aggregate<{ total: number }, { type: 'add'; by: number }, Added> = {
  name: 'counter',
  initial: { total: 0 },
  events: ['counter.added.v2'],
  decide: ({ by }, { total }) => [{ type: 'counter.added.v2', data: { amount: by, before: total } }],
  evolve: (_, { data }) => ({ total: data.before + data.amount }),
};
const upcaster: Upcaster = {
  from: 'counter.added.v1',
  to: 'counter.added.v2',
  up(data: Json) {
    const { by, total } = data as { by: number; total: number };
    return { amount: by, before: total - by };
  },
};

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'testing/fixtures');
const golden = (more: { current?: string[]; upcasters?: Upcaster[]; read?: (event: LedgerEvent) => void } = {}) =>
  readGoldenFixtures({
    folder,
    current: ['counter.added.v2', claimedType],
    upcasters: [upcaster],
    read: () => undefined,
    ...more,
  });

let nats: NatsServer;
beforeAll(async () => {
  nats = await startSuiteNats();
});
afterAll(async () => {
  await nats.stop();
});

test('old events are read as today’s: by owners, followers and readers; the log stays as it was', async () => {
  verifies('ledger.upcast');
  const before = await Ledger.connect({ servers: nats.url });
  const first = await before.host({ service: 'counters', partitions: 1, model: counterModel });
  await first.ready;
  for (let i = 1; i <= 3; i++) await before.commands('counters').send(add(i));
  const written = [];
  for await (const { bytes } of before.read('counters', 0)) written.push(Buffer.from(bytes).toString());
  await before.drain();

  await using after = await Ledger.connect({ servers: nats.url, upcasters: [upcaster] });
  let model: PartitionModel | undefined;
  const second = await after.host({
    service: 'counters',
    partitions: 1,
    model: aggregates([tomorrow]),
    onOwned: (_, handle) => void (model = handle.model),
  });
  await second.ready;
  expect(totalOf(model as PartitionModel)).toBe(6);
  const { events } = await after.commands('counters').send(add(4));
  expect(events[0]).toMatchObject({ type: 'counter.added.v2', data: { amount: 4, before: 6 } });

  const followed: LedgerEvent[] = [];
  const follower = await after.follow({
    service: 'counters',
    partition: 0,
    onCommit: (c) => void followed.push(...c.events),
  });
  await follower.caughtUp;
  const added = followed.filter(({ type }) => type.startsWith('counter.'));
  expect(added.map(({ type, data }) => [type, data])).toEqual(
    [
      [1, 0],
      [2, 1],
      [3, 3],
      [4, 6],
    ].map(([amount, start]) => ['counter.added.v2', { amount, before: start }]),
  );
  const still = [];
  for await (const { bytes } of after.read('counters', 0, { to: written.length }))
    still.push(Buffer.from(bytes).toString());
  expect(still).toEqual(written);
});

test('each version ever written has a golden fixture and is understood', async () => {
  verifies('ledger.upcast');
  const model = aggregates([tomorrow])();
  const events = await golden({ read: (event) => model.evolve(event, { commit: 1, index: 0 }) });
  expect(events.map(({ type }) => type)).toEqual(['counter.added.v2', 'counter.added.v2', claimedType]);
  expect(totalOf(model)).toBe(3);
});

test('a type without a fixture, a fixture that nothing reads, and one that is not understood are named', async () => {
  await expect(golden({ current: ['counter.added.v2', claimedType, 'counter.reset.v1'] })).rejects.toThrow(
    /no fixture of counter.reset.v1/,
  );
  await expect(golden({ upcasters: [] })).rejects.toThrow(/counter.added.v1.json: nothing reads counter.added.v1/);
  const read = (): void => {
    throw new TypeError('what is this?');
  };
  await expect(golden({ read })).rejects.toThrow(/counter.added.v1.json: TypeError: what is this\?/);
});
