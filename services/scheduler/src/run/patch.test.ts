import { expect, test } from '@jest/globals';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import type { WorkerCommand } from './run.commands.js';

const patch: WorkerCommand = { type: 'patch', kind: 'patch', name: 'patch p', occurrence: 1 };
const done: WorkerCommand = { type: 'completed', kind: 'step', name: 'a', occurrence: 1, content: { value: 1 } };

test('a patch is recorded in its place, told to its worker, and known to the next one', () => {
  const partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
  const { live } = partition.run('r');
  const items = [{ run: 'r', attempt: live?.token ?? '', commands: [patch, done], idle: false, entries: 0 }];
  const types = partition.send('r', { type: 'report', session: 'ses', items }).map(([type]) => type);
  expect(types).toEqual(['patched', 'step_completed']);
  expect(partition.run('r')).toMatchObject({ live: { entries: 2 }, opens: [], done: { length: 2 } });
  const { entries = [], pending } = journalOf(partition.eventsOf('r')) ?? {};
  expect(entries.map(({ kind, name }) => [kind, name])).toEqual([
    ['patch', 'patch p'],
    ['step', 'a'],
  ]);
  expect(pending).toEqual([]);
});
