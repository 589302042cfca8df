import { DomainError, refuse } from '@writ/ledger/domain';
import type { Queues } from '../queue/queues.js';
import type { Ticket } from '../queue/queue.events.js';
import { ticketOf } from '../queue/ticket.js';
import { startedBudget } from './budget.js';
import { decideMessage, messageReceived } from './decide-outside.js';
import { keptEvents } from './decide-restart.js';
import type { NewRun, Start } from './run.commands.js';
import type { RunEvent } from './run.events.js';
import type { RunIndex } from './run-index.js';
import type { RunRecord } from './run-record.js';

/** `ramp`: the revision of the ramp of its workflow that says its version. */
type Ramped = Omit<Start, 'type'> & { ramp?: number };

/** Starting is idempotent: the same start finds the run that is there. A message that goes with it is taken in either case. */
export function decideStart(
  subject: string,
  start: Start & Ramped,
  run: RunRecord | undefined,
  nowMs: number,
  ticket?: () => Ticket | undefined,
): RunEvent[] {
  const { parent, watchedBy = parent } = start;
  const watched = (by: string): RunEvent => ({ type: 'run.watched.v1', subject, data: { by } });
  if (!run) {
    const started: RunEvent = { type: 'run.started.v1', subject, data: startedData(subject, start, nowMs, ticket?.()) };
    const sent = start.message ? [messageReceived(subject, start.message)] : [];
    if (start.kept) sent.unshift(...keptEvents(subject, start.kept));
    return start.watchedBy === undefined ? [started, ...sent] : [started, watched(start.watchedBy), ...sent];
  }
  if (run.digest !== start.digest && !start.attach)
    throw refuse('run.conflict', `run ${subject} was started with another workflow or input`, {
      run: subject,
      workflow: run.workflow,
    });
  const sent = start.message ? decideMessage(run, start.message) : [];
  return watchedBy === undefined || run.ended || run.notify.includes(watchedBy) ? sent : [watched(watchedBy), ...sent];
}

/**
 * Starts what is new for certain: there is no run of that id, and the id is younger than that of any run which was forgotten here, or was
 * looked for in the view. An id that somebody thought up may be that of a run which ended long ago.
 */
export function decideStarts(runs: readonly NewRun[], index: RunIndex, tenant: string, nowMs: number): RunEvent[] {
  const events: RunEvent[] = [];
  const taken = new Set<string>();
  for (const { id, looked, ...start } of runs) {
    if (taken.has(id) || index.get(tenant, id) || !(looked || index.neverHad(tenant, id))) continue;
    taken.add(id);
    let ticket: Ticket | undefined;
    try {
      ticket = ticketFor(index.queues, tenant, start);
    } catch (error) {
      if (error instanceof DomainError) continue; // its own start says why
      throw error;
    }
    const data = startedData(id, index.ramps.applied(tenant, id, start), nowMs, ticket);
    events.push({ type: 'run.started.v1', subject: id, data });
  }
  return events;
}

/** What a run goes by in its queue; undefined where that has no limits. @throws DomainError `queue.*` */
export function ticketFor(
  queues: Queues,
  tenant: string,
  start: Pick<Start, 'queue' | 'input' | 'key' | 'priority'>,
): Ticket | undefined {
  const limits = queues.limitsOf(tenant, start.queue);
  return limits && ticketOf(limits, start);
}

function startedData(id: string, start: Ramped, nowMs: number, ticket: Ticket | undefined) {
  const { workflow, input, digest, queue, version, agent, onBehalfOf, parent, depth, grant, ungranted, notBeforeMs } =
    start;
  const budget = start.limits || start.budget ? startedBudget(id, start, nowMs) : undefined;
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
    ...(start.pinned && version !== undefined && { pinned: true }),
    ...(start.ramp !== undefined && { ramp: start.ramp }),
    ...(start.attributes && { attributes: { ...start.attributes } }),
    ...(budget && { budget }),
    ...(ticket && { ticket }),
  };
}
