import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, emptyModel, startOf, testTenant } from '../testing/fake-partition.js';

test('a run is pinned by its start or later, and is looked for a worker again where one has it', () => {
  verifies('versions.pinned');
  const partition = new FakePartition();
  partition.send('r', startOf('w', { version: '1', pinned: true }));
  expect(partition.run('r').pin).toBe('1');
  expect(partition.send('r', { type: 'pin', version: '1' })).toEqual([]);
  partition.assign('r');
  expect(partition.send('r', { type: 'pin', version: '2' })).toEqual([['pinned', { version: '2' }]]);
  expect(partition.run('r')).toMatchObject({ pin: '2', live: undefined });
  expect(partition.model.index.notes.slice(-2)).toMatchObject([{ type: 'evict', reason: 'moved' }, { type: 'ready' }]);
  const restored = emptyModel();
  restored.restore(JSON.parse(JSON.stringify(partition.model.snapshot())));
  expect(restored.index.get(testTenant, 'r')?.pin).toBe('2');
  partition.send('r', { type: 'pin', version: '' });
  expect(partition.run('r').pin).toBeUndefined();
});

test('a paused run stays paused when it is pinned', () => {
  const partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
  partition.send('r', { type: 'pause', note: '' });
  const { length } = partition.model.index.notes;
  partition.send('r', { type: 'pin', version: '1' });
  expect(partition.run('r')).toMatchObject({ pin: '1', paused: 'requested' });
  expect(partition.model.index.notes).toHaveLength(length);
});
