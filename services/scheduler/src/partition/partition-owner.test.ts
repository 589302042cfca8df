import { expect, test } from '@jest/globals';
import type { PartitionHandle } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { Dispatcher } from './dispatcher.js';
import { EndWaiters } from './end-waiters.js';
import type { WorkerTask } from './outlet.js';
import { PartitionOwner } from './partition-owner.js';

/** An owner of one partition, whose reads of the ledger are answered when the test says so. */
function given() {
  const partition = new FakePartition();
  partition.send('run_1', startOf());
  const run = partition.run('run_1');
  let commit = 1;
  const nothing = async () => Promise.reject(new Error('no commands here'));
  const handle: PartitionHandle = { partition: 3, epoch: 7, model: partition.model, commit: () => commit, execute: nothing }; // prettier-ignore
  const told: WorkerTask[] = [];
  let read!: (events: LedgerEvent[]) => void;
  const dispatcher = new Dispatcher({ pick: () => undefined, unpick: () => undefined, lease: async () => undefined });
  const owner = new PartitionOwner(handle, {
    dispatcher,
    outlet: { deliver: (_session, task) => void told.push(task) },
    history: {
      events: () => new Promise((resolve) => (read = resolve)),
      ends: async () => [],
    },
    ends: new EndWaiters(),
    slots: { ask: nothing, poke: async () => undefined },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const end = () => (dispatcher.stop(), owner.stop());
  return { partition, run, owner, told, read: (events: LedgerEvent[]) => read(events), end, acknowledge: (to: number) => (commit = to) }; // prettier-ignore
}

test('an owner that loses its partition while it reads a journal hands the run to nobody', async () => {
  const { partition, run, owner, told, read, end } = given();
  partition.model.index.keepFresh(run, undefined);
  expect(owner.assign(run, 'ses_1')).toBe(true);
  end();
  read(partition.eventsOf('run_1'));
  await new Promise(setImmediate);
  expect(told.map(({ type }) => type)).toEqual(['evict', 'unused']);
});

test('an owner that loses its partition before a commit is acknowledged gives back the slot that it took for it', () => {
  const { run, owner, told, end, acknowledge } = given();
  acknowledge(0);
  expect(owner.assign(run, 'ses_1')).toBe(true);
  expect(told).toEqual([]);
  end();
  expect(told).toEqual([{ type: 'unused' }]);
});
