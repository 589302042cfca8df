import { refuse } from '@writ/ledger/domain';
import type { Start } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import type { RunRecord } from './run-record.js';

/** Starting is idempotent: the same start finds the run that is there. */
export function decideStart(subject: string, start: Start, run: RunRecord | undefined): RunEvent[] {
  if (!run) return [{ type: 'run.started.v1', subject, data: startedData(start) }];
  if (run.digest !== start.digest && !start.attach)
    throw refuse('run.conflict', `run ${subject} was started with another workflow or input`, {
      run: subject,
      workflow: run.workflow,
    });
  const { parent } = start;
  if (parent === undefined || run.ended || run.notify.includes(parent)) return [];
  return [{ type: 'run.watched.v1', subject, data: { by: parent } }];
}

function startedData(start: Start) {
  const { workflow, input, digest, queue, version, agent, onBehalfOf, parent, depth, grant, notBeforeMs } = start;
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
    ...(notBeforeMs !== undefined && { notBefore: new Date(notBeforeMs).toISOString() }),
  };
}
