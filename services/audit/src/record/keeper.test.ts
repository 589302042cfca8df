import { expect, test } from '@jest/globals';
import type { Follower, Ledger, Logger, PartitionHandle } from '@writ/ledger';
import { partitionsOf } from '@writ/ledger/domain';
import { eventually } from '@writ/testkit';
import { Checkpoints } from '../checkpoint/checkpoints.js';
import { noteKey } from '../checkpoint/note.js';
import { MemoryTileStore } from '../tree/tile-store.js';
import { RecordKeeper } from './keeper.js';
import { RecordModel } from './record-model.js';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const partitions = Object.values(partitionsOf).reduce((sum, count) => sum + count, 0);

test('a start that fails half-way leaves nothing that follows, and is tried again', async () => {
  let [open, starts] = [0, 0];
  const follow = async ({ service }: { service: string }): Promise<Follower> => {
    if (service === 'audit' && ++starts === 1) throw new Error('the broker is away');
    open++;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const stop = async () => {
      open--;
      resolve();
    };
    return { commit: 0, caughtUp: Promise.resolve(), closed, stop };
  };
  const tiles = new MemoryTileStore();
  const checkpoints = new Checkpoints(noteKey('writ.example/test'), tiles);
  const ledger = { follow, read: async function* () {} } as unknown as Ledger;
  const keeper = new RecordKeeper({ ledger, tiles, checkpoints, log: silent });
  keeper.owned({ model: new RecordModel() } as unknown as PartitionHandle);
  await eventually(() => starts === 1);
  await eventually(() => open === 0);
  await eventually(() => open === partitions);
  await keeper.stop();
  expect([open, starts]).toEqual([0, 2]);
});
