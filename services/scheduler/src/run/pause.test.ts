import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { emptyModel, FakePartition, startOf } from '../testing/fake-partition.js';
import { runsSnapshot, restoreRuns } from './run-snapshot.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
});
const pause = (note = '') => partition.send('r', { type: 'pause', note });
const cancel = (force = false) => partition.send('r', { type: 'cancel', reason: 'enough', force, graceMs: 1000 });
const types = (events: [string, unknown][]) => events.map(([type]) => type);
const notes = () => partition.model.index.notes.splice(0).map(({ type }) => type);

describe('a pause that somebody asked for', () => {
  test('takes the run from its worker, keeps what comes, and lets it go on when it is resumed', () => {
    verifies('scheduler.pause');
    partition.assign('r');
    notes();
    expect(pause('the tracker is down')).toEqual([['paused', { reason: 'requested', note: 'the tracker is down' }]]);
    expect(notes()).toEqual(['evict']);
    expect(partition.run('r')).toMatchObject({ state: 'waiting', idle: true, live: undefined });
    expect(pause('again')).toEqual([]);
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    expect(notes()).toEqual([]);
    expect(partition.send('r', { type: 'resume' })).toEqual([['resumed', {}]]);
    expect(notes()).toEqual(['ready']);
    expect(partition.run('r')).toMatchObject({ paused: false, messages: [{ message: 'm' }] });
    expect(() => partition.send('r', { type: 'resume' })).toThrow(expect.objectContaining({ code: 'run.not_paused' }));
  });

  test('ends with a cancel, so that the run takes back what it did; by force it ends at once', () => {
    partition.assign('r');
    pause();
    expect(types(cancel())).toEqual(['cancel_requested', 'resumed']);
    expect(() => pause()).toThrow(expect.objectContaining({ code: 'run.cancelling' }));
    expect(types(cancel(true))).toEqual(['cancelled']);
    expect(() => pause()).toThrow(expect.objectContaining({ code: 'run.ended' }));
  });

  test('ends a run that no worker ever had with its cancel', () => {
    pause();
    expect(types(cancel())).toEqual(['cancel_requested', 'cancelled']);
  });

  test('does not start before its time what was to start later', () => {
    partition.send('later', startOf('w', { notBeforeMs: partition.nowMs + 60_000 }));
    partition.send('later', { type: 'pause', note: '' });
    partition.send('later', { type: 'resume' });
    expect(partition.run('later')).toMatchObject({ state: 'queued', wakeMs: partition.nowMs + 60_000 });
    expect(notes()).not.toContain('evict');
    expect(partition.model.index.notes).toEqual([]);
  });

  test('is in a snapshot', () => {
    pause();
    const { index } = emptyModel();
    restoreRuns(index, JSON.parse(JSON.stringify(runsSnapshot(partition.model.index))));
    expect([...index.all()].map(({ paused, state }) => [paused, state])).toEqual([['requested', 'waiting']]);
  });
});
