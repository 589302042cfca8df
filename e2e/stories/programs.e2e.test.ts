import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { soakPrograms } from '../faults/programs/soak.js';

test('100 random workflows end as a model says, whatever is killed or paused under them', async () => {
  verifies('programs.random');
  verifies('budget.under_faults');
  verifies('queue.concurrency');
  const options = {
    cases: 100,
    seed: 20_261_123,
    inFlight: 20,
    faultEveryMs: [500, 1_500] as const,
    replayEvery: 10,
    say: () => {},
  };
  const { broken, ended, faults, replayed } = await soakPrograms(options);
  expect(broken).toEqual([]);
  expect(ended.stuck).toBe(0);
  expect(ended.succeeded).toBeGreaterThan(20);
  expect(ended.failed).toBeGreaterThan(5);
  expect([...faults.values()].reduce((sum, times) => sum + times)).toBeGreaterThanOrEqual(3);
  expect(replayed).toBe(10);
}, 300_000);
