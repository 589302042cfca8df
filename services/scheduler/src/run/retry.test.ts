import { describe, expect, test } from '@jest/globals';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { retryDelayMs } from './retry.js';
import type { RetryPolicy, WorkerCommand } from './run.commands.js';
import { journalOf } from './journal.js';

const policy = { attempts: 3, delayMs: 1000, factor: 2, maxDelayMs: 60_000 };
const failed = { failures: 1, elapsedMs: 0, of: 'r/a/1/1' };

describe('the delay before the next attempt', () => {
  test.each<[string, Partial<RetryPolicy>, object, number | undefined]>([
    ['doubles', {}, { failures: 2 }, 2000],
    ['is constant with a factor of 1', { factor: 1 }, { failures: 2 }, 1000],
    ['grows linearly with an increment', { factor: 1, incrementMs: 500, attempts: 9 }, { failures: 4 }, 2500],
    ['has a limit', { maxDelayMs: 1500 }, { failures: 2 }, 1500],
    ['is what the error asks for', {}, { retryAfterMs: 5 }, 5],
    ['ends with the attempts, also where the error asks for more', {}, { failures: 3, retryAfterMs: 5 }, undefined],
    ['reaches to the end of the total time', { totalMs: 3000 }, { failures: 2, elapsedMs: 1000 }, 2000],
    ['ends with the total time', { totalMs: 3000 }, { failures: 2, elapsedMs: 1001 }, undefined],
  ])('%s', (_, more, about, expected) => {
    expect(retryDelayMs({ ...policy, ...more }, { ...failed, ...about })).toBe(expected);
  });

  test('with a jitter of a half lies in the upper half, elsewhere for each run, and the same when it is asked for again', () => {
    const delays = Array.from({ length: 100 }, (_, i) =>
      retryDelayMs({ ...policy, jitter: 0.5 }, { ...failed, of: `run_${i}/a/1/1` }),
    ) as number[];
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(400);
    expect(new Set(delays).size).toBeGreaterThan(50);
    expect(retryDelayMs({ ...policy, jitter: 0.5 }, { ...failed, of: 'run_7/a/1/1' })).toBe(delays[7]);
  });
});

describe('a step that is to pause when nothing is left to try', () => {
  const pausing = { ...policy, attempts: 2, pause: true };
  const failure = (attempt: number, retryable = true): WorkerCommand => ({
    type: 'failed', kind: 'step', name: 'a', occurrence: 1, attempt, error: { code: 'shop.closed', message: 'no' }, retryable, policy: pausing,
  }); // prettier-ignore
  const report = (partition: FakePartition, commands: WorkerCommand[], idle = false) => {
    const { live } = partition.run('r');
    const items = [{ run: 'r', attempt: live?.token ?? '', commands, idle, entries: live?.entries ?? 0 }];
    return partition.send('r', { type: 'report', session: 'ses', items });
  };
  const exhausted = () => {
    const partition = new FakePartition();
    partition.send('r', startOf('w'));
    partition.assign('r');
    report(partition, [failure(1)]);
    partition.nowMs += 1000;
    const [[, data]] = report(partition, [failure(2)], true) as [[string, object]];
    return { partition, data };
  };

  test('waits for a person, without a worker and without a timer', () => {
    const { partition, data } = exhausted();
    expect(data).toMatchObject({ attempt: 2, exhausted: true, idle: true });
    expect(data).not.toHaveProperty('retryAt');
    const run = partition.run('r');
    expect(run).toMatchObject({ state: 'waiting', paused: false, idle: true, wakeMs: Infinity });
    expect(run.opens[0]?.trying).toMatchObject({ failures: 2, exhausted: 'shop.closed: no' });
  });

  test('is tried anew when a person lets the run go on, with a policy that begins anew, also after another recovery', () => {
    const { partition } = exhausted();
    partition.run('r').live = undefined;
    partition.nowMs += 60_000;
    expect(partition.send('r', { type: 'resume' })).toEqual([['resumed', {}]]);
    expect(partition.model.index.notes.at(-1)).toMatchObject({ type: 'ready' });
    const pending = journalOf(partition.eventsOf('r'))?.pending[0];
    expect(pending).toMatchObject({ untilMs: partition.nowMs, trying: { failures: 2, excused: 2 } });
    expect(partition.run('r').opens[0]).toEqual(pending);
    partition.assign('r');
    expect(report(partition, [failure(3)])[0]?.[1]).toHaveProperty('retryAt');
    expect(report(partition, [failure(4)])[0]?.[1]).toHaveProperty('exhausted');
  });

  test('fails by an error that must not be tried again', () => {
    const partition = new FakePartition();
    partition.send('r', startOf('w'));
    partition.assign('r');
    expect(report(partition, [failure(1, false)])[0]?.[1]).not.toHaveProperty('exhausted');
    expect(partition.run('r').opens).toEqual([]);
  });

  test('cannot be resumed where nothing is exhausted', () => {
    const partition = new FakePartition();
    partition.send('r', startOf('w'));
    expect(() => partition.send('r', { type: 'resume' })).toThrow(expect.objectContaining({ code: 'run.not_paused' }));
  });
});
