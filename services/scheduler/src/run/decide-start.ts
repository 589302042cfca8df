import { refuse } from '@writ/ledger/domain';
import type { NewRun, Start } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import type { RunIndex } from './run-index.js';
import type { RunRecord } from './run-record.js';

/** Starting is idempotent: the same start finds the run that is there. */
export function decideStart(subject: string, start: Start, run: RunRecord | undefined): RunEvent[] {
  const { parent, watchedBy = parent } = start;
  const watched = (by: string): RunEvent => ({ type: 'run.watched.v1', subject, data: { by } });
  if (!run) {
    const started: RunEvent = { type: 'run.started.v1', subject, data: startedData(start) };
    return start.watchedBy === undefined ? [started] : [started, watched(start.watchedBy)];
  }
  if (run.digest !== start.digest && !start.attach)
    throw refuse('run.conflict', `run ${subject} was started with another workflow or input`, {
      run: subject,
      workflow: run.workflow,
    });
  return watchedBy === undefined || run.ended || run.notify.includes(watchedBy) ? [] : [watched(watchedBy)];
}

/**
 * Starts what is new for certain: there is no run of that id, and the id is younger than that of any run which was forgotten here, or was
 * looked for in the view. An id that somebody thought up may be that of a run which ended long ago.
 */
export function decideStarts(runs: readonly NewRun[], index: RunIndex, tenant: string): RunEvent[] {
  const events: RunEvent[] = [];
  const taken = new Set<string>();
  for (const { id, looked, ...start } of runs) {
    if (taken.has(id) || index.get(tenant, id) || !(looked || index.neverHad(tenant, id))) continue;
    taken.add(id);
    events.push({ type: 'run.started.v1', subject: id, data: startedData(start) });
  }
  return events;
}

function startedData(start: Omit<Start, 'type'>) {
  const { workflow, input, digest, queue, version, agent, onBehalfOf, parent, depth, grant, ungranted, notBeforeMs } =
    start;
  return {
    workflow,
    ...input,
    digest,
    queue,
    agent,
    depth,
    ...(version !== undefined && { version }),
    ...(onBehalfOf?.length && { onBehalfOf }),
    ...(parent !== undefined && { parent }),
    ...(grant && { grant: grant as [] }),
    ...(ungranted && { ungranted }),
    ...(notBeforeMs !== undefined && { notBefore: new Date(notBeforeMs).toISOString() }),
  };
}
    ...(start.attributes && { attributes: { ...start.attributes } }),
    ...(budget && { budget }),
    ...(ticket && { ticket }),
