import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { PartitionTimers } from './partition-timers.js';

test('a timer that cannot be recorded keeps no other from firing, and is tried again', async () => {
  verifies('scheduler.timer_alone');
  const partition = new FakePartition();
  const { index } = partition.model;
  const ids = ['r1', 'r2', 'r3', 'r4', 'r5'];
  for (const id of ids) {
    partition.send(id, startOf('w'));
    const { token } = partition.assign(id);
    const sleep = { type: 'sleep' as const, kind: 'sleep' as const, name: 'sleep', occurrence: 1, durationMs: 0 };
    const commands = [sleep];
    partition.send(id, { type: 'report', session: 'ses', items: [{ run: id, attempt: token, commands, idle: true, entries: 0 }] }); // prettier-ignore
  }
  const asked: string[][] = [];
  const fired = new Set<string>();
  const { promise: settled, resolve } = Promise.withResolvers<void>();
  const timers = new PartitionTimers(index, {
    due: () => undefined,
    now: () => partition.nowMs,
    fire: async (_tenant, runs) => {
      asked.push(runs);
      if (runs.includes('r3')) {
        if (runs.length === 1) setImmediate(resolve);
        throw new Error('it cannot be recorded');
      }
      partition.send(runs[0] as string, { type: 'timers', runs });
      for (const run of runs) fired.add(run);
    },
  });
  timers.arm();
  await settled;
  timers.stop();
  expect(asked[0]).toHaveLength(ids.length);
  expect([...fired].sort()).toEqual(['r1', 'r2', 'r4', 'r5']);
  expect(index.timers.next()).toBe(partition.nowMs + 60_000);
});
