import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { steadyNow } from '@writ/ledger';
import { refuse, type LedgerEvent } from '@writ/ledger/domain';
import { WhyService, type WhyRunRequest } from '@writ/proto/run/v1/why';
import { may } from '../api/may.js';
import { stateOf } from '../api/states.js';
import { SCHEDULER } from '../api/tokens.js';
import type { Scheduler } from '../scheduler.js';
import { keyOfWait, reasonsOf, type Reason } from './reasons.js';

const mostRuns = 20;

/** Implements `writ.run.v1.WhyService`. */
@ApiService(WhyService)
export class WhyApi implements ServiceImplementation<typeof WhyService> {
  constructor(@Inject(SCHEDULER) private readonly scheduler: Scheduler) {}

  async whyRun({ id }: WhyRunRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.read', id);
    const { owners, lookup, sessions } = this.scheduler;
    const run = await owners.standstill(tenant, id);
    if (!run) return this.forgotten(tenant, id);
    const events = await lookup.events(tenant, id, run.commits);
    const last = events[events.length - 1];
    const { workflow, queue, principals } = run;
    const waits = run.worker === 'none' && !run.ended && !run.paused;
    const reasons = reasonsOf(run, {
      nowMs: steadyNow(),
      lastMs: last ? Date.parse(last.time) : 0,
      since: begun(events),
      queue: waits && run.slotless ? await owners.queue(tenant, queue, id) : undefined,
      served: waits ? await sessions.isOffered({ tenant, queue, workflow, principals }) : undefined,
    });
    return {
      state: stateOf(run.state === 'queued' && run.worker !== 'none' ? 'running' : run.state),
      reasons: reasons.map(messageOf),
    };
  }

  /** A run that its owner has forgotten ended long ago. */
  private async forgotten(tenant: string, id: string) {
    const row = await this.scheduler.lookup.forgotten(tenant, id);
    if (!row) throw refuse('run.not_found', `there is no run ${id}`, { run: id });
    return {
      state: stateOf(row.state),
      reasons: [messageOf({ code: 'ended', text: `It has ${row.state}.`, sinceMs: row.ended_ms ?? 0 })],
    };
  }
}

const begins = new Set(['run.waiting.v1', 'run.step_failed.v1', 'run.child_requested.v1', 'run.child_deferred.v1']);

/** When each wait began, or how its last attempt went. */
function begun(events: readonly LedgerEvent[]): Map<string, number> {
  const since = new Map<string, number>();
  for (const { type, data, time } of events) {
    if (!begins.has(type)) continue;
    since.set(keyOfWait(data as unknown as { name: string; occurrence: number }), Date.parse(time));
  }
  return since;
}

function messageOf({ code, text, sinceMs, untilMs, runs = [], ahead = 0 }: Reason) {
  return {
    code,
    text,
    ...(sinceMs !== undefined && sinceMs > 0 && { since: timestampFromMs(sinceMs) }),
    ...(untilMs !== undefined && { until: timestampFromMs(Math.ceil(untilMs)) }),
    runs: runs.slice(0, mostRuns),
    runCount: runs.length,
    ahead,
  };
}
