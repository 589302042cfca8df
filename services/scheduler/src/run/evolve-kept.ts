import type { RunEventData } from './run.events.js';
import type { RunIndex } from './run-index.js';
import type { RunRecord } from './run-record.js';

interface At {
  index: RunIndex;
  commit: number;
  timeMs: number;
}
type Apply<A extends At> = (type: string, run: RunRecord, data: never, at: A) => void;

/** The run begins with what was recorded before: the same events in the same way, and then it needs a worker. */
export function goesOn<A extends At>(
  run: RunRecord,
  { events }: RunEventData<'run.kept.v1'>,
  at: A,
  apply: Apply<A>,
): void {
  const { granted } = run; // what it holds now says its start
  for (const { type, time, data } of events) apply(type, run, data as never, { ...at, timeMs: Date.parse(time) });
  Object.assign(run, { granted, idle: false, untouched: false });
  if (at.index.noting && !run.live && run.notBeforeMs <= at.timeMs)
    at.index.notes.push({ commit: at.commit, type: 'ready', run });
}
