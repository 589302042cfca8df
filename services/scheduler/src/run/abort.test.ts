import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import type { WorkerCommand } from './run.commands.js';
import type { CommandKind } from './run.events.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
});

const error = { code: 'run.aborted', message: 'the function gave it up' };
const abort = (kind: CommandKind, name: string): WorkerCommand => ({ type: 'abort', kind, name, occurrence: 1, error });
const wait: WorkerCommand = { type: 'wait', kind: 'message', name: 'm', occurrence: 1, message: 'm', timeoutMs: 1000 };
const done: WorkerCommand = { type: 'completed', kind: 'step', name: 'a', occurrence: 1, content: { value: 1 } };
const failed: WorkerCommand = {
  type: 'failed', kind: 'step', name: 'a', occurrence: 1, attempt: 1, error, retryable: true,
  policy: { attempts: 5, delayMs: 1000, factor: 2, maxDelayMs: 60_000 },
}; // prettier-ignore
function report(...commands: WorkerCommand[]) {
  const { live } = partition.run('r');
  const items = [{ run: 'r', attempt: live?.token ?? '', commands, idle: false, entries: live?.entries ?? 0 }];
  return partition.send('r', { type: 'report', session: 'ses', items }).map(([type]) => type);
}
const outcomes = () =>
  journalOf(partition.eventsOf('r'))?.entries.map(({ kind, outcome }) => `${kind} ${outcome.type}`);

describe('a command that its function gives up', () => {
  test('is settled by that, and takes no timer and no message any more', () => {
    report(wait);
    expect(report(abort('message', 'm'))).toEqual(['aborted']);
    expect(partition.run('r')).toMatchObject({ opens: [], wakeMs: Infinity, state: 'running' });
    partition.send('r', { type: 'message', message: 'm', content: { value: 2 } });
    expect(partition.run('r').messages).toHaveLength(1);
    expect(outcomes()).toEqual(['message failed']);
  });

  test('in the report that asks for it is settled by what comes first', () => {
    partition.send('r', { type: 'message', message: 'm', content: { value: 2 } });
    expect(report(wait, abort('message', 'm'))).toEqual(['waiting', 'aborted']);
    expect(outcomes()).toEqual(['message completed']);
  });

  test('is a step that waits for its next attempt, or a call that never told of one', () => {
    report(failed);
    expect(report(abort('step', 'a'), abort('call', 'b'))).toEqual(['aborted', 'aborted']);
    expect(partition.run('r').opens).toEqual([]);
    expect(outcomes()).toEqual(['step failed', 'call failed']);
  });

  test('too late, after it came true, changes nothing and is no divergence', () => {
    verifies('scheduler.abort_race');
    report(done);
    expect(report(abort('step', 'a'))).toEqual([]);
    expect(report({ ...done, name: 'b' }, abort('step', 'b'))).toEqual(['step_completed', 'aborted']);
    expect(outcomes()).toEqual(['step own', 'step own']);
    expect(partition.run('r')).toMatchObject({ paused: false, done: { length: 2 } });
  });

  test('under another kind is a divergence', () => {
    report(wait);
    expect(report(abort('sleep', 'm'))).toEqual(['paused']);
  });
});
