import type { Metrics } from '@writ/platform';
import type { QueueLoad } from './allocation.js';

/** Those who allocate queues in this process. */
interface Allocations {
  readonly local: Iterable<{ readonly slots: { readonly allocation: { queues(): Iterable<QueueLoad> } } }>;
}

/** How queues with limits stand, all together: their names are chosen by users, and how many there are too. */
export function watchQueues(metrics: Metrics, owners: Allocations, now: () => number): void {
  const queues = (): QueueLoad[] => [...owners.local].flatMap(({ slots }) => [...slots.allocation.queues()]);
  metrics.gauges('writ_queued_runs', 'Runs of queues with limits that go on, and that wait to.', ['state'], () => {
    const loads = queues();
    return (['holding', 'waiting'] as const).map((state) => [
      { state },
      loads.reduce((sum, load) => sum + load[state], 0),
    ]);
  });
  metrics.gauge(
    'writ_queue_oldest_waiting_seconds',
    'How long that run has waited for the limits of its queue which has waited longest; 0 where none waits.',
    () => {
      const since = Math.min(...queues().map(({ oldestMs }) => oldestMs ?? Infinity));
      return since === Infinity ? 0 : Math.max(0, now() - since) / 1000;
    },
  );
  metrics.gauges('writ_queues_limiting', 'Queues in which runs wait for a limit.', ['limit'], () => {
    const loads = queues();
    return (['concurrency', 'rate', 'key'] as const).map((limit) => [
      { limit },
      loads.filter(({ limiting }) => limiting === limit).length,
    ]);
  });
}
