import { refuse } from '@writ/ledger/domain';
import type { RunEvent } from './run.events.js';
import type { RunRecord } from './run-record.js';

/** @param version of its workflow; empty for whichever there is */
export function decidePin(run: RunRecord, version: string): RunEvent[] {
  if (run.ended) throw refuse('run.ended', `run ${run.id} has ${run.state}; no worker gets it any more`);
  if (version === (run.pin ?? '')) return [];
  return [{ type: 'run.pinned.v1', subject: run.id, data: version === '' ? {} : { version } }];
}
