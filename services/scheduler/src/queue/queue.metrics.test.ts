import { expect, test } from '@jest/globals';
import { Metrics } from '@writ/platform';
import { verifies } from '@writ/testkit';
import type { QueueLoad } from './allocation.js';
import { watchQueues } from './queue.metrics.js';

test('queues are told of all together, and none by its name', async () => {
  verifies('queue.metrics');
  const owner = (...loads: QueueLoad[]) => ({ slots: { allocation: { queues: () => loads } } });
  const idle = { holding: 1, waiting: 0, oldestMs: undefined, limiting: undefined };
  let local = [
    owner(idle, { holding: 2, waiting: 3, oldestMs: 7_000, limiting: 'rate' }),
    owner({ holding: 4, waiting: 1, oldestMs: 4_500, limiting: 'rate' }),
  ];
  const metrics = new Metrics('scheduler');
  watchQueues(metrics, { get local() { return local; } }, () => 10_000); // prettier-ignore
  const told = async () =>
    (await metrics.registry.metrics()).split('\n').filter((line) => /^writ_queue/.test(line)).map((line) => line.replace('service="scheduler"', '')); // prettier-ignore
  expect(await told()).toEqual([
    'writ_queued_runs{state="holding",} 7',
    'writ_queued_runs{state="waiting",} 4',
    'writ_queue_oldest_waiting_seconds{} 5.5',
    'writ_queues_limiting{limit="concurrency",} 0',
    'writ_queues_limiting{limit="rate",} 2',
    'writ_queues_limiting{limit="key",} 0',
  ]);
  local = [owner(idle)];
  expect(await told()).toContain('writ_queue_oldest_waiting_seconds{} 0');
});
