import { expect, test } from '@jest/globals';
import { FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import { rearm } from '../run/rearm.js';
import { PartitionTimers } from './partition-timers.js';

const sleepMs = 60_000;

/** Runs that sleep until the same moment, which has come, and the commands that fire them, which are committed when the test says so. */
function given(count: number) {
  const partition = new FakePartition();
  const { index } = partition.model;
  const due = partition.nowMs + sleepMs;
  for (let i = 0; i < count; i++) {
    partition.send(`run_${i}`, startOf());
    const run = partition.run(`run_${i}`);
    run.opens = [{ kind: 'sleep', name: 'sleep', occurrence: 1, on: undefined, untilMs: due, trying: undefined }];
    rearm(index, run, partition.nowMs);
  }
  const commands: string[][] = [];
  let [underWay, most] = [0, 0];
  let asked = Promise.withResolvers<void>();
  let stored = Promise.withResolvers<void>();
  const timers = new PartitionTimers(index, {
    due: () => {},
    now: () => due,
    fire: (tenant, runs) => {
      expect(tenant).toBe(testTenant);
      commands.push(runs);
      most = Math.max(most, ++underWay);
      asked.resolve();
      stored = Promise.withResolvers();
      return stored.promise;
    },
  });
  timers.arm();
  return {
    commands,
    timers,
    /** The next command is here. */
    async command(): Promise<number> {
      await asked.promise;
      asked = Promise.withResolvers();
      return commands.at(-1)?.length ?? 0;
    },
    /** It is recorded that these went on. */
    commit(): void {
      for (const id of commands.at(-1) ?? []) partition.run(id).opens = [];
      underWay--;
      stored.resolve();
    },
    most: () => most,
    lose: () => stored.reject(new Error('the broker is away')),
  };
}

test('timers of one moment are fired one command at a time, until none is left', async () => {
  const { command, commands, commit, most, timers } = given(1_100);
  for (const runs of [500, 500, 100]) {
    expect(await command()).toBe(runs);
    timers.arm(); // something else was committed meanwhile
    await new Promise((resolve) => setTimeout(resolve)); // behind what that may have set
    commit();
  }
  await new Promise(setImmediate);
  expect(new Set(commands.flat()).size).toBe(1_100);
  expect(most()).toBe(1);
});

test('a command that is not recorded does not keep the other timers back', async () => {
  const { command, lose, commit } = given(501);
  expect(await command()).toBe(500);
  lose();
  expect(await command()).toBe(1);
  commit();
});
