import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { BeatFacts } from '../partition/control.js';
import type { RunRow } from '../view/run-view.js';
import { errorOf, valueOf } from './payload.js';
import { stateOf } from './states.js';

/** A run as the API has it. */
export function runOf(row: RunRow) {
  return {
    id: row.id,
    workflow: row.workflow,
    state: stateOf(row.state),
    waitingOn: row.waiting_on ?? '',
    queue: row.queue,
    agent: row.agent,
    parent: row.parent ?? '',
    createTime: timestampFromMs(row.created_ms),
    ...(row.ended_ms !== null && { endTime: timestampFromMs(row.ended_ms) }),
    ...(row.error && { error: errorOf(row.error) }),
    entries: row.entries,
    difference: row.waits.diff ?? '',
    version: row.version ?? '',
    pinnedTo: row.waits.pin ?? '',
    ...(row.attributes && { attributes: { ...row.attributes } }),
    ...(row.waits.receipt && { receipt: row.waits.receipt }),
  };
}

export function progressOf({ step, attempt, timeMs, progress }: BeatFacts) {
  const value = progress === undefined ? undefined : valueOf(progress);
  return { step, attempt, beatTime: timestampFromMs(timeMs), ...(value && { progress: value }) };
}
