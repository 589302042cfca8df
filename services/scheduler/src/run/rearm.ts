import type { RunIndex } from './run-index.js';
import type { Open, RunRecord } from './run-record.js';

/** When the owner must look at the run next. */
export function rearm(index: RunIndex, run: RunRecord, nowMs: number): void {
  let next = run.cancel ? run.cancel.deadlineMs : Infinity;
  if (run.budget && !run.cancel && !run.paused) next = Math.min(next, run.budget.deadlineMs);
  if (run.state === 'queued' && run.notBeforeMs > nowMs) next = Math.min(next, run.notBeforeMs);
  for (const open of run.opens)
    if (open.untilMs > 0 && open.untilMs < next && !retryIsHandled(run, open, nowMs)) next = open.untilMs;
  index.timers.set(run, next);
}

/** Its worker knows already that the step is to be tried again, or the worker that is being looked for will. */
export function retryIsHandled(run: RunRecord, open: Open, nowMs: number): boolean {
  if (open.kind !== 'step' && open.kind !== 'call') return false;
  return run.live ? open.trying?.told === run.live : open.untilMs <= nowMs;
}
