import type { Admitted } from '../run/run.commands.js';
import type { RunEvent } from '../run/run.events.js';
import type { RunIndex } from '../run/run-index.js';
import type { RunRecord } from '../run/run-record.js';
import type { Queues } from './queues.js';

/** Runs that their queue lets go on, but those that need nothing of it any more. */
export function decideAdmit(runs: readonly Admitted[], index: RunIndex, tenant: string): RunEvent[] {
  return runs.flatMap(({ run: id, spentMs, keySpentMs }): RunEvent[] => {
    const run = index.get(tenant, id);
    if (!run || run.ended || index.queues.of(run)?.slot !== false) return [];
    const spent = { ...(spentMs !== undefined && { spentMs }), ...(keySpentMs !== undefined && { keySpentMs }) };
    return [{ type: 'run.admitted.v1', subject: id, data: spent }];
  });
}

/** The worker says that the run only waits, and nothing has come true meanwhile. */
export function decidePark(queues: Queues, run: RunRecord | undefined): RunEvent[] {
  if (!run || run.ended || !run.live?.idle || !queues.parks(run)) return [];
  return [{ type: 'run.parked.v1', subject: run.id, data: {} }];
}

/** A report after which the run only waits. Where something of it comes true at once the run goes on. */
export function parked(run: RunRecord, made: RunEvent[]): void {
  const last = made[made.length - 1];
  if (last === undefined || ('idle' in last.data && last.data.idle))
    made.push({ type: 'run.parked.v1', subject: run.id, data: {} });
}
