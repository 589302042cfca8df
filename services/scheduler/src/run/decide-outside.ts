import { refuse } from '@writ/ledger/domain';
import { undoneOf } from './outcomes.js';
import { kindRecorded } from './loops.js';
import type { Message, Receipt, RunCommand } from './run.commands.js';
import { exhaustedCode, isOutOfBudget, givenUpOn, neededBy } from './decide-budget.js';
import type { RunEvent } from './run.events.js';
import { cancelled, stoppedOf } from './ending.js';
import { openAt, openChildren, type RunRecord } from './run-record.js';

/** Messages that a run may hold without having taken them. */
const maxMessages = 1000;
type Of<T extends RunCommand['type']> = Extract<RunCommand, { type: T }>;

/** The run of a command that needs one. */
export function existing(subject: string, run: RunRecord | undefined): RunRecord {
  if (!run) throw refuse('run.not_found', `there is no run ${subject}`, { run: subject });
  return run;
}

export function decideMessage(run: RunRecord, { message, content }: Message): RunEvent[] {
  if (run.ended) throw refuse('run.ended', `run ${run.id} has ${run.state}; nobody will take '${message}'`);
  if (run.messages.length >= maxMessages)
    throw refuse('run.too_many_messages', `run ${run.id} has ${maxMessages} messages that it has not taken`);
  return [messageReceived(run.id, { message, content })];
}

export function messageReceived(subject: string, { message, content }: Message): RunEvent {
  return { type: 'run.message_received.v1', subject, data: { message, ...content } };
}

/** Asks the worker to stop; with `force`, or where no worker can be running it, the run ends at once. */
export function decideCancel(run: RunRecord, command: Of<'cancel'>, nowMs: number): RunEvent[] {
  if (run.ended) return [];
  const reason = command.revoked ? 'revoked' : command.reason;
  const events: RunEvent[] = [];
  if (!run.cancel) {
    const children = openChildren(run).map(({ id }) => id);
    const data = {
      reason,
      ...(command.revoked && { revoked: true }),
      deadline: new Date(nowMs + command.graceMs).toISOString(),
      ...(children.length > 0 && { children }),
    };
    events.push({ type: 'run.cancel_requested.v1', subject: run.id, data }, ...givenUp(run, nowMs));
  }
  if (run.untouched || run.paused === 'diverged') events.push(cancelled(run, reason, nothing));
  else if (command.force || command.revoked)
    events.push(cancelled(run, reason, { ...receiptOf(run), outcomeUnknown: unknownOf(run) }));
  // It goes on, so as to take back what it did.
  else if (run.paused) events.push({ type: 'run.resumed.v1', subject: run.id, data: {} });
  return events;
}

/** Steps that wait for another attempt, or for a person: nobody makes one any more. Those that are being made their worker stops; what takes something back goes on. */
function givenUp(run: RunRecord, nowMs: number): RunEvent[] {
  return run.opens.flatMap((open) => {
    const { name, untilMs, trying } = open;
    if (!trying || (trying.exhausted === undefined && untilMs <= nowMs) || name.startsWith('undo ')) return [];
    return [givenUpOn(run, open, { code: 'run.cancelled', message: 'the run was cancelled before the next attempt' })];
  });
}

const nothing = { stopped: [], outcomeUnknown: [] };

/** What is known of a run that is ended over its worker's head. */
function receiptOf(run: RunRecord): Omit<Receipt, 'outcomeUnknown'> {
  const { stopped = [], undone = [], undoing = [] } = run.cancel ?? {};
  const taken = undoing.filter((name) => kindRecorded(run, name, 1) !== undefined);
  return { stopped: stopped ?? [], undone: [...undone, ...taken.map((name) => name.replace(/^undo /, 'step '))] };
}

/** What nobody can tell about it. */
export function unknownOf(run: RunRecord): string[] {
  const children = openChildren(run).map(({ id }) => id);
  const { live } = run;
  const { stopped, outcomeUnknown = [], undoing = [] } = run.cancel ?? {};
  const working = stopped === undefined && undoing.length === 0 && (live ? !live.idle : !run.idle);
  return [...(working ? [`what run ${run.id} was doing`] : []), ...openUndos(run), ...outcomeUnknown, ...children];
}

/** Steps that are to take something back and have not. */
export function openUndos(run: RunRecord): string[] {
  const { cancel } = run;
  const undoing = cancel?.stopped === undefined ? cancel?.undoing : undefined;
  return (undoing ?? []).filter((name) => kindRecorded(run, name, 1) === undefined);
}

/** Hides a run that has ended. One that the owner does not know ended long ago: whoever sends this has looked. */
export function decideDelete(subject: string, { reason }: Of<'delete'>, run: RunRecord | undefined): RunEvent[] {
  if (run && !run.ended) throw refuse('run.not_ended', `run ${subject} is ${run.state}`, { run: subject });
  return [{ type: 'run.deleted.v1', subject, data: { reason } }];
}

/** No worker has it until it is resumed. */
export function decidePause(run: RunRecord, { note }: Of<'pause'>): RunEvent[] {
  if (run.ended) throw refuse('run.ended', `run ${run.id} has ${run.state}; there is nothing to pause`);
  if (run.cancel) throw refuse('run.cancelling', `run ${run.id} is being cancelled: ${run.cancel.reason}`);
  if (run.paused) return [];
  return [{ type: 'run.paused.v1', subject: run.id, data: { reason: 'requested', ...(note !== '' && { note }) } }];
}

export function decideResume(run: RunRecord): RunEvent[] {
  const exhausted = run.opens.filter(({ trying }) => trying?.exhausted !== undefined);
  if (run.paused === 'budget' || (!run.paused && exhausted.length > 0 && exhausted.every(isOutOfBudget)))
    throw refuse(exhaustedCode, `run ${run.id} waits for more budget`, { account: run.budget?.account ?? '' });
  if (!run.paused && exhausted.length === 0) throw refuse('run.not_paused', `run ${run.id} is ${run.state}`);
  return [{ type: 'run.resumed.v1', subject: run.id, data: {} }];
}

/** Identity knows of no grant; whether it was asked for before does not matter to it. */
export function decideAuthorize(run: RunRecord): RunEvent[] {
  if (run.ended) throw refuse('run.ended', `run ${run.id} has ${run.state}; nobody acts in it any more`);
  return [{ type: 'run.authority_requested.v1', subject: run.id, data: {} }];
}

export function decideChildStarted(run: RunRecord, command: Of<'child_started'>): RunEvent[] {
  const { name, occurrence, child } = command;
  if (openAt(run, name, occurrence) < 0) return [];
  return [{ type: 'run.child_started.v1', subject: run.id, data: { kind: 'child', name, occurrence, child } }];
}

export function decideChildRefused(run: RunRecord, command: Of<'child_refused'>): RunEvent[] {
  const { name, occurrence, child, error } = command;
  const open = run.opens[openAt(run, name, occurrence)];
  if (!open || isOutOfBudget(open)) return [];
  const budget = neededBy(run, error);
  const data = { kind: 'child' as const, name, occurrence, child, error };
  if (!budget) return [{ type: 'run.child_refused.v1', subject: run.id, data }];
  const idle = run.live?.idle === true;
  return [{ type: 'run.child_deferred.v1', subject: run.id, data: { ...data, budget, ...(idle && { idle }) } }];
}

export function decideChildEnded(run: RunRecord, { outcome }: Of<'child_ended'>): RunEvent[] {
  const child = run.children.find(({ id }) => id === outcome.child);
  if (run.ended || !child || child.outcome) return [];
  const events: RunEvent[] = [{ type: 'run.child_ended.v1', subject: run.id, data: outcome }];
  const { cancel } = run;
  if (cancel?.stopped && openChildren(run).length === 1) {
    const stopped = [...cancel.stopped, ...stoppedOf(outcome)];
    const outcomeUnknown = [...cancel.outcomeUnknown, ...(outcome.outcomeUnknown ?? [])];
    events.push(
      cancelled(run, cancel.reason, { stopped, outcomeUnknown, undone: [...cancel.undone, ...undoneOf(outcome)] }),
    );
  }
  return events;
}

export function decideAnswer(run: RunRecord, command: Of<'answer'>): RunEvent[] {
  const open = run.opens.find(({ kind, on }) => kind === 'approval' && on === command.approval);
  if (!open) return [];
  const { approval, expired, approved, by, reason, content } = command;
  const data = {
    kind: open.kind,
    name: open.name,
    occurrence: open.occurrence,
    approval,
    approved,
    ...(expired && { expired }),
    ...(by !== undefined && { by }),
    ...(reason !== undefined && { reason }),
    ...content,
  };
  return [{ type: 'run.answered.v1', subject: run.id, data }];
}

/** What has become due in a run by now: sleeps, timeouts, and the end of the patience with a cancel. */
export function decideTimers(run: RunRecord, nowMs: number): RunEvent[] {
  if (run.ended) return [];
  if (run.cancel && run.cancel.deadlineMs <= nowMs) {
    return [cancelled(run, run.cancel.reason, { ...receiptOf(run), outcomeUnknown: unknownOf(run) })];
  }
  const over = run.budget && !run.cancel && !run.paused && run.budget.deadlineMs <= nowMs;
  const fired: RunEvent[] = run.opens
    .filter(({ kind, untilMs }) => untilMs > 0 && untilMs <= nowMs && kind !== 'step' && kind !== 'call')
    .map(({ kind, name, occurrence }) => ({
      type: 'run.timer_fired.v1',
      subject: run.id,
      data: { kind, name, occurrence },
    }));
  return over ? [...fired, { type: 'run.paused.v1', subject: run.id, data: { reason: 'budget' } }] : fired;
}
