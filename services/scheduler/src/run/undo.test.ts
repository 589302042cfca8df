import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { emptyModel, FakePartition, startOf } from '../testing/fake-partition.js';
import { runsSnapshot, restoreRuns } from './run-snapshot.js';
import type { ReportItem, RunCommand, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
});

const graceMs = 30_000;
const cancel = (force = false): RunCommand => ({ type: 'cancel', reason: 'enough', force, graceMs });
const undo = (name: string): WorkerCommand => ({ type: 'completed', kind: 'step', name, occurrence: 1, content: {} });
const undoing = ['undo b/1', 'undo a/1'];
function report(commands: WorkerCommand[], more: Partial<ReportItem> = {}) {
  const { live } = partition.run('r');
  const entries = live?.entries ?? 0;
  const items = [{ run: 'r', attempt: live?.token ?? '', commands, idle: false, entries, ...more }];
  return partition.send('r', { type: 'report', session: 'ses', items });
}
const late = () => {
  partition.nowMs += 10 * graceMs;
  return partition.send('r', { type: 'timers', runs: ['r'] });
};

describe('what a cancelled run takes back', () => {
  test('is not held to the deadline of the cancel, which is for the function to stop', () => {
    verifies('scheduler.undo_outlives_deadline');
    partition.send('r', cancel());
    expect(partition.run('r').wakeMs).toBe(partition.nowMs + graceMs);
    expect(report([], { undoing })).toEqual([['undoing', { steps: undoing }]]);
    expect(report([], { undoing })).toEqual([]);
    expect(partition.run('r').wakeMs).toBe(Infinity);
    expect(late()).toEqual([]);
    report([undo('undo b/1')]);
    const end = { type: 'cancelled' as const, stopped: [], undone: ['step b/1'], outcomeUnknown: ['undo a/1'] };
    expect(report([], { end })).toEqual([
      ['cancelled', expect.objectContaining({ undone: ['step b/1'], outcomeUnknown: ['undo a/1'] })],
    ]);
  });

  test('is tried again by its own policy', () => {
    partition.send('r', cancel());
    const policy = { attempts: 5, delayMs: 1000, factor: 2, maxDelayMs: 60_000 };
    const error = { code: 'e', message: 'm' };
    const failed = {
      type: 'failed',
      kind: 'step',
      name: 'undo a/1',
      occurrence: 1,
      attempt: 1,
      error,
      policy,
    } as const;
    expect(report([{ ...failed, retryable: true }])[0]?.[1]).toHaveProperty('retryAt');
  });

  test('is said as unknown by a cancel that waits for nothing, except what was taken back', () => {
    partition.send('r', cancel());
    report([undo('undo b/1')], { undoing });
    const [[, end]] = partition.send('r', cancel(true)) as [[string, object]];
    expect(end).toMatchObject({ undone: ['step b/1'], outcomeUnknown: ['undo a/1'] });
  });

  test('goes on without a deadline after a recovery from a snapshot', () => {
    partition.send('r', cancel());
    report([], { undoing });
    const restored = emptyModel().index;
    restoreRuns(restored, JSON.parse(JSON.stringify(runsSnapshot(partition.model.index))) as never);
    expect([...restored.all()][0]).toMatchObject({ wakeMs: Infinity, cancel: { undoing, deadlineMs: Infinity } });
  });

  test('of a child stands in the receipt of its parent', () => {
    report([
      { type: 'child', kind: 'child', name: 'c', occurrence: 1, child: 'run_c', workflow: 'c', input: {}, attach: false, cancelWithParent: false },
    ]); // prettier-ignore
    partition.send('r', { type: 'child_started', name: 'c', occurrence: 1, child: 'run_c' });
    partition.send('r', cancel());
    report([], { end: { type: 'cancelled', stopped: [], undone: ['step a/1'], outcomeUnknown: [] } });
    const outcome = { child: 'run_c', state: 'cancelled' as const, outcomeUnknown: [], undone: ['step x/1'] };
    const [, [, end]] = partition.send('r', { type: 'child_ended', outcome }) as [unknown, [string, object]];
    expect(end).toMatchObject({ stopped: ['run_c'], undone: ['step a/1', 'run_c: step x/1'] });
  });

  test('of a run that failed by itself needs no deadline, and stands in its end', () => {
    expect(report([], { undoing })).toEqual([]);
    const receipt = { stopped: [], undone: ['step b/1'], outcomeUnknown: ['undo a/1'] };
    const end = { type: 'failed' as const, error: { code: 'e', message: 'm' }, receipt };
    expect(report([], { end })[0]?.[1]).toMatchObject({ undone: ['step b/1'], outcomeUnknown: ['undo a/1'] });
  });
});
