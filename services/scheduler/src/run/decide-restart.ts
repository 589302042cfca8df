import { refuse } from '@writ/ledger/domain';
import type { Kept } from './kept.js';
import type { RunCommand } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import type { RunRecord } from './run-record.js';

/** @param run undefined where its owner has forgotten it: it ended long ago */
export function decideRestart(
  subject: string,
  { seen, started, kept, from, reason, dropped }: Extract<RunCommand, { type: 'restart' }>,
  run: RunRecord | undefined,
): RunEvent[] {
  if (run) {
    if (!mayRestart(run))
      throw refuse('run.not_restartable', `run ${subject} goes on: pause or cancel it first`, { state: run.state });
    if (run.commits[run.commits.length - 1] !== seen)
      throw refuse('run.changed', `something was recorded of run ${subject} after its record was read`);
  }
  return [
    { type: 'run.restarted.v1', subject, data: { from, ...(reason !== undefined && { reason }), dropped } },
    { type: 'run.started.v1', subject, data: started },
    ...keptEvents(subject, kept),
  ];
}

export function keptEvents(subject: string, kept: readonly Kept[]): RunEvent[] {
  return kept.map((data) => ({ type: 'run.kept.v1', subject, data }));
}

/** Nothing of it is under way, and nothing will be by itself. */
function mayRestart(run: RunRecord): boolean {
  return run.ended || run.paused !== false || run.opens.some(({ trying }) => trying?.exhausted !== undefined);
}
