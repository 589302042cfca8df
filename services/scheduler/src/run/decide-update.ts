import { refuse } from '@writ/ledger/domain';
import { kindRecorded, lastCommitOf } from './loops.js';
import type { RunCommand, Seen } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import { openAt, type RunRecord } from './run-record.js';

type Update = Extract<RunCommand, { type: 'update' }>;

/**
 * Records an update that the run's code has accepted, if nothing has come to the run since: the code handles it in the very state in which it
 * accepted it. One at a time.
 */
export function decideUpdate(run: RunRecord, { update, name, content, seen }: Update, nowMs: number): RunEvent[] {
  if (stateOfUpdate(run, name) !== 'unknown') return [];
  if (run.ended) throw refuse('run.ended', `run ${run.id} has ${run.state}; nobody will handle '${update}'`);
  if (run.cancel)
    throw refuse('run.cancelled', `run ${run.id} is being cancelled; it does not handle '${update}' any more`);
  if (run.notBeforeMs > nowMs)
    throw refuse('run.not_begun', `run ${run.id} begins at ${new Date(run.notBeforeMs).toISOString()}`);
  if (run.opens.some(({ kind }) => kind === 'update') || !isAsSeen(run, seen))
    throw refuse('run.update_raced', `something came to run ${run.id} before '${update}' was recorded`);
  const data = { kind: 'update' as const, name, occurrence: 1, update, ...content };
  return [{ type: 'run.update_accepted.v1', subject: run.id, data }];
}

/** What became of an update of a run that has not ended. */
export function stateOfUpdate(run: RunRecord, name: string): 'unknown' | 'accepted' | 'answered' {
  if (openAt(run, name, 1) >= 0) return 'accepted';
  return kindRecorded(run, name, 1) === 'update' ? 'answered' : 'unknown';
}

function isAsSeen(run: RunRecord, seen: Seen): boolean {
  const { live } = run;
  if ('commit' in seen) return lastCommitOf(run) === seen.commit;
  return live?.token === seen.attempt && live.entries === seen.entries;
}
