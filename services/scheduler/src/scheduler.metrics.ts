import { steadyNow } from '@writ/ledger';
import type { Metrics } from '@writ/platform';
import type { Dispatcher } from './partition/dispatcher.js';
import type { Owners } from './partition/owners.js';
import { watchQueues } from './queue/queue.metrics.js';
import type { SessionDirectory } from './worker/session-directory.js';

/** What a dashboard shows of runs and workers; runs that have ended are counted by `writ_ledger_events_total`. */
export function watchRuns(
  metrics: Metrics,
  { owners, dispatcher, sessions }: { owners: Owners; dispatcher: Dispatcher; sessions: SessionDirectory },
): void {
  metrics.gauges(
    'writ_runs',
    'Runs of owned partitions that have not ended: queued, running, waiting.',
    ['state'],
    () =>
      (['queued', 'running', 'waiting'] as const).map((state) => {
        let count = 0;
        for (const owner of owners.local) count += owner.runs(state);
        return [{ state }, count];
      }),
  );
  metrics.gauge('writ_runs_without_worker', 'Runs that could go on and wait for a worker with room.', () => {
    let waiting = 0;
    for (const { runs } of dispatcher.waiting()) waiting += runs;
    return waiting;
  });
  watchQueues(metrics, owners, steadyNow);
  metrics.gauge('writ_workers', 'Worker streams that are open at this process.', () => [...sessions.all].length);
}
