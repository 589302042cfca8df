import { keyOf, recordedKind } from './command-key.js';
import { cancelled, ending, stopped } from './ending.js';
import { kindRecorded, loopAt, loopPrefix } from './loops.js';
import { joinOf, joinOutcome } from './joins.js';
import type { Beat, End, ReportItem, WorkerCommand } from './run.commands.js';
import type { CommandKind, Difference, RunEvent } from './run.events.js';
import { inherited, mostDepth } from './budget.js';
import { neededBy } from './decide-budget.js';
import { retryDelayMs } from './retry.js';
import { openAt, type Open, type RunRecord } from './run-record.js';

/** A report being decided on: what came before in the same report is not in the run yet. */
interface Draft {
  run: RunRecord;
  nowMs: number;
  events: RunEvent[];
  keys: number[];
}

/**
 * What a worker's report on one run comes to. The attempt has been checked already. A command that contradicts what is
 * recorded pauses the run: nothing after it counts.
 */
export function decideReport(run: RunRecord, item: ReportItem, nowMs: number): RunEvent[] {
  const draft: Draft = { run, nowMs, events: [], keys: [] };
  const { undoing = [] } = item;
  if (undoing.length > 0 && run.cancel?.undoing.length === 0)
    draft.events.push({ type: 'run.undoing.v1', subject: run.id, data: { steps: undoing } });
  for (const command of item.commands) {
    const difference = contradiction(draft, command);
    if (difference) return [...draft.events, paused(run, difference)];
    take(draft, command);
  }
  if (item.end) draft.events.push(endOf(run, item.end));
  return draft.events;
}

function paused(run: RunRecord, difference: Difference): RunEvent {
  return { type: 'run.paused.v1', subject: run.id, data: { reason: 'diverged', difference } };
}

function endOf(run: RunRecord, end: End): RunEvent {
  const subject = run.id;
  switch (end.type) {
    case 'completed':
      return { type: 'run.succeeded.v1', subject, data: { ...end.content, ...ending(run) } };
    case 'failed':
      return { type: 'run.failed.v1', subject, data: failedBy(end, run) };
    case 'cancelled':
      // Without a cancel it is a worker that gave up by itself; the receipt stands all the same.
      return run.cancel ? stopped(run, end) : cancelled(run, 'the workflow cancelled itself', end, true);
    case 'diverged':
      return paused(run, end.difference);
  }
}

function failedBy({ error, receipt }: Extract<End, { type: 'failed' }>, run: RunRecord) {
  const { undone = [], outcomeUnknown = [] } = receipt ?? {};
  return {
    error,
    ...(undone.length > 0 && { undone }),
    ...(outcomeUnknown.length > 0 && { outcomeUnknown }),
    ...ending(run),
  };
}

/** Compares a command with what is recorded under its name and occurrence. */
function contradiction({ run, keys }: Draft, command: WorkerCommand): Difference | undefined {
  const { kind, name, occurrence } = command;
  const key = keyOf(kind, name, occurrence);
  const known = kindRecorded(run, name, occurrence) ?? recordedKind(keys, key);
  const open = run.opens[openAt(run, name, occurrence)];
  const there = known ?? open?.kind;
  if (command.type === 'answer' && open?.kind !== 'update') return nothingAccepted(run, command);
  const strange = notChildren(run, command);
  if (strange !== undefined) return unknownChild(run, command, strange);
  if (command.type === 'loop') return looped(run, command);
  // What has come true is on its way to the worker: the abort came too late.
  if (command.type === 'abort' && (there === undefined || there === kind)) return undefined;
  if (there === undefined || (known === undefined && there === kind && mayAnswer(open as Open, command)))
    return undefined;
  const text =
    there === kind
      ? `the worker reported ${kind} ${name}/${occurrence} again, or out of turn`
      : `the record has ${there} ${name}/${occurrence}, the code asked for ${kind} ${name}/${occurrence}`;
  const expected = { kind: there, name, occurrence };
  return { position: run.done.length, expected, actual: { kind, name, occurrence }, text };
}

/** A worker may answer only what the run has accepted, and once. */
function nothingAccepted({ done }: RunRecord, { kind, name, occurrence }: WorkerCommand): Difference {
  const text = `the worker answered the update ${name}, which waits for no answer`;
  return { position: done.length, actual: { kind, name, occurrence }, text };
}

/** A run that is waited for and was not started by this one. */
function notChildren({ children }: RunRecord, command: WorkerCommand): string | undefined {
  if (command.type === 'result') return children.some(({ id }) => id === command.child) ? undefined : command.child;
  if (command.type !== 'join') return undefined;
  const known = new Set(children.map(({ id }) => id));
  return command.children.find((id) => !known.has(id));
}

/** Nobody would ever answer it. */
function unknownChild({ done, id: run }: RunRecord, command: WorkerCommand, child: string): Difference {
  const { kind, name, occurrence } = command;
  const text = `the run waits for ${child}, which is no child that it started`;
  return { position: done.length, actual: { kind, name, occurrence, detail: run === child ? 'itself' : child }, text };
}

/** A loop goes forward, and lets nothing lie that its turns began. */
function looped(
  run: RunRecord,
  { kind, name, occurrence, turn }: Extract<WorkerCommand, { type: 'loop' }>,
): Difference | undefined {
  const prefix = loopPrefix({ name, occurrence });
  const open = run.opens.find((each) => each.name.startsWith(prefix));
  const before = loopAt(run, prefix)?.turn ?? 0;
  if (!open && turn > before) return undefined;
  const text = open
    ? `the loop ${name}/${occurrence} is to forget its turns while ${open.kind} ${open.name}/${open.occurrence} goes on`
    : `the loop ${name}/${occurrence} is to go on with turn ${turn}; it was at ${before} before`;
  return { position: run.done.length, actual: { kind, name, occurrence, detail: `turn ${turn}` }, text };
}

/** Messages that nobody takes, by name, when what the report says so far has happened. */
function bufferedAfter({ run, events }: Draft): { buffered?: Record<string, number> } {
  const buffered: Record<string, number> = {};
  for (const { message } of run.messages) buffered[message] = (buffered[message] ?? 0) + 1;
  for (const { type, data } of events) {
    const taken = type === 'run.waiting.v1' && data.kind === 'message' ? (data.on ?? '') : '';
    if (buffered[taken]) buffered[taken]--;
  }
  return Object.keys(buffered).length > 0 ? { buffered } : {};
}

/** A wait may be reported again; an attempt of a step must be the one that is due. */
function mayAnswer(open: Open, command: WorkerCommand): boolean {
  return command.type !== 'failed' || command.attempt === failuresOf(open) + 1;
}

function take(draft: Draft, command: WorkerCommand): void {
  const { run, events, keys } = draft;
  const { kind, name, occurrence } = command;
  const open = run.opens[openAt(run, name, occurrence)];
  const key = { kind, name, occurrence };
  const subject = run.id;
  if (command.type === 'completed') {
    const attempt = failuresOf(open) + 1;
    events.push({ type: 'run.step_completed.v1', subject, data: { ...key, attempt, ...command.content } });
    const { streamed: chunks } = command;
    if (chunks) events.push({ type: 'run.streamed.v1', subject, data: { ...key, attempt, completed: true, chunks } });
  } else if (command.type === 'failed') {
    events.push(failed(draft, command, key));
    const { streamed: chunks, attempt } = command;
    if (chunks) events.push({ type: 'run.streamed.v1', subject, data: { ...key, attempt, completed: false, chunks } });
  } else if (command.type === 'answer') {
    const { content, error } = command;
    events.push({ type: 'run.update_answered.v1', subject, data: { ...key, ...content, ...(error && { error }) } });
  } else if (command.type === 'abort') {
    if (kindRecorded(run, name, occurrence) === undefined)
      events.push({ type: 'run.aborted.v1', subject, data: { ...key, error: command.error, ...askedBy(open) } });
  } else if (open) {
    return; // it waits for it already
  } else if (command.type === 'child' && run.depth >= Math.min(mostDepth, run.budget?.maxDepth ?? mostDepth)) {
    events.push(tooDeep(run, key, command.child));
  } else if (command.type === 'child') {
    events.push(childRequested(run, key, command));
  } else if (command.type === 'loop') {
    const { turn, content } = command;
    const data = { ...key, turn, ...content, ...bufferedAfter(draft) };
    return void events.push({ type: 'run.continued.v1', subject, data });
  } else if (command.type === 'emit') {
    events.push({ type: 'run.emitted.v1', subject, data: { ...key, ...command.content } });
  } else if (command.type === 'set') {
    events.push({ type: 'run.attributes_set.v1', subject, data: { ...key, attributes: { ...command.attributes } } });
  } else if (command.type === 'patch') {
    events.push({ type: 'run.patched.v1', subject, data: key });
  } else {
    events.push({ type: 'run.waiting.v1', subject, data: { ...key, ...waitOf(command, run.agent, draft.nowMs) } });
  }
  keys.push(keyOf(kind, name, occurrence));
}

/** What a wait that is given up had asked people. */
function askedBy(open: Open | undefined): { approvals?: string[] } {
  return open?.kind === 'approval' && open.on !== undefined ? { approvals: [open.on] } : {};
}

function childRequested(
  run: RunRecord,
  key: { name: string; occurrence: number },
  command: Extract<WorkerCommand, { type: 'child' }>,
): RunEvent {
  const { child, workflow, input, key: lineKey, priority, grant, attach, cancelWithParent, limits } = command;
  const data = {
    ...key,
    kind: 'child' as const,
    child,
    workflow,
    ...input,
    queue: command.queue ?? run.queue,
    agent: run.agent,
    depth: run.depth + 1,
    ...(command.version !== undefined && { version: command.version }),
    ...(command.pinned && { pinned: true }),
    ...(lineKey !== undefined && { key: lineKey }),
    ...(priority !== undefined && { priority }),
    ...(grant && { grant: grant as [] }),
    ...(attach && { attach }),
    ...(cancelWithParent && { cancelWithParent }),
    ...(!run.granted && { ungranted: true }),
    ...(limits && { limits }),
    ...(command.attributes && { attributes: { ...command.attributes } }),
    ...(run.budget && { budget: inherited(run.budget) }),
  };
  return { type: 'run.child_requested.v1', subject: run.id, data };
}

/** Most often a workflow that starts itself for ever. */
function tooDeep({ id, depth, budget }: RunRecord, key: { name: string; occurrence: number }, child: string): RunEvent {
  const message = `run ${id} stands ${depth} levels below the first, and ${Math.min(mostDepth, budget?.maxDepth ?? mostDepth)} is the most`;
  const data = { ...key, kind: 'child' as const, child, error: { code: 'run.too_deep', message } };
  return { type: 'run.child_refused.v1', subject: id, data };
}

/** A worker was silent for longer than a step allows. What it says from now on comes too late. */
export function decideLost(run: RunRecord, token: string, beat: Beat, nowMs: number): RunEvent[] {
  if (run.live?.token !== token || !isUnderWay(run, beat)) return [];
  const { kind, name, occurrence, attempt, policy, leaseMs } = beat;
  const error = { code: 'run.step_lost', message: `its worker said nothing for ${leaseMs} ms` };
  const key = { kind, name, occurrence };
  const event = failed({ run, nowMs }, { ...key, type: 'failed', attempt, error, retryable: true, policy }, key);
  return [{ ...event, data: { ...event.data, lost: true } }];
}

/** Whether this attempt may still be going on. */
export function isUnderWay(run: RunRecord, beat: Beat): boolean {
  return !hasOutcome(run, beat) && beat.attempt === failuresOf(run.opens[openAt(run, beat.name, beat.occurrence)]) + 1;
}

/** Whether a step or call is over. */
export function hasOutcome(run: RunRecord, { name, occurrence }: Beat): boolean {
  return run.ended || kindRecorded(run, name, occurrence) !== undefined;
}

function failed(
  { run, nowMs }: Pick<Draft, 'run' | 'nowMs'>,
  command: Extract<WorkerCommand, { type: 'failed' }>,
  key: { kind: CommandKind; name: string; occurrence: number },
): Extract<RunEvent, { type: 'run.step_failed.v1' }> {
  const { attempt, error, policy, retryable, retryAfterMs } = command;
  const data = { ...key, attempt, error };
  const budget = neededBy(run, error);
  if (budget) return { type: 'run.step_failed.v1', subject: run.id, data: { ...data, exhausted: true, budget } };
  if (!retryable) return { type: 'run.step_failed.v1', subject: run.id, data };
  const { excused = 0, sinceMs = nowMs } = run.opens[openAt(run, key.name, key.occurrence)]?.trying ?? {};
  const of = `${run.id}/${key.name}/${key.occurrence}/${attempt}`;
  const failed = { failures: attempt - excused, elapsedMs: nowMs - sinceMs, of, retryAfterMs };
  const delayMs = retryDelayMs(policy, failed);
  if (delayMs === undefined)
    return { type: 'run.step_failed.v1', subject: run.id, data: policy.pause ? { ...data, exhausted: true } : data };
  const retryAt = new Date(nowMs + delayMs).toISOString();
  return { type: 'run.step_failed.v1', subject: run.id, data: { ...data, retryAt } };
}

function failuresOf(open: Open | undefined): number {
  return open?.trying?.failures ?? 0;
}

function waitOf(
  command: Extract<WorkerCommand, { type: 'sleep' | 'wait' | 'ask' | 'result' | 'join' }>,
  agent: string,
  nowMs: number,
) {
  const at = (ms: number | undefined) => ms !== undefined && { until: new Date(ms).toISOString() };
  const after = (ms: number | undefined) => ms !== undefined && at(nowMs + ms);
  switch (command.type) {
    case 'sleep':
      return { ...at(command.atMs ?? nowMs + (command.durationMs ?? 0)) };
    case 'wait':
      return { on: command.message, ...after(command.timeoutMs) };
    case 'result':
      return { on: command.child, ...after(command.timeoutMs) };
    case 'join': {
      const { children, need, timeoutMs } = command;
      return { join: { children, need }, ...after(timeoutMs) };
    }
    case 'ask':
      return {
        on: command.approval,
        ...(command.question && { question: { ...command.question, agent } }),
        ...after(command.timeoutMs),
      };
  }
}

/**
 * Records that the worker has nothing more to do for the run, so that a new owner need not look for one. Not where
 * something that the report asks for is there already: it will have.
 */
export function markIdle(run: RunRecord, item: ReportItem, events: RunEvent[]): void {
  const last = events[events.length - 1];
  if (last?.type !== 'run.waiting.v1' && !isTriedAgain(last)) return;
  if (!item.commands.some((command) => comesTrueAtOnce(run, command))) last.data.idle = true;
}

function isTriedAgain(event: RunEvent | undefined): event is Extract<RunEvent, { type: 'run.step_failed.v1' }> {
  return event?.type === 'run.step_failed.v1' && (event.data.retryAt !== undefined || event.data.exhausted === true);
}

function comesTrueAtOnce(run: RunRecord, command: WorkerCommand): boolean {
  if (command.type === 'wait') return run.messages.some(({ message }) => message === command.message);
  if (command.type === 'result') return run.children.some(({ id, outcome }) => id === command.child && outcome);
  if (command.type === 'join') return joinOutcome(run, joinOf(run, command)) !== undefined;
  return command.type !== 'sleep' && command.type !== 'ask' && command.type !== 'failed';
}
