import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { soakServices } from '../faults/services/soak.js';

test('each service is killed once under a working agent: every run ends right, nothing happens twice, nothing is left', async () => {
  verifies('services.killed');
  const { kills, facts, broken } = await soakServices({
    seconds: 13,
    killEveryMs: 1_500,
    postgresKills: 1,
    inFlight: 2,
    seed: 20_261_123,
    // The broker forgets the consumers of a killed process after a minute: `npm run faults -- services` waits for that.
    waitForConsumers: false,
    say: () => {},
  });
  expect(broken).toEqual([]);
  expect(facts['ended as they should']).toBeGreaterThan(0);
  expect([...kills.values()].reduce((sum, times) => sum + times)).toBeGreaterThanOrEqual(9);
}, 300_000);
