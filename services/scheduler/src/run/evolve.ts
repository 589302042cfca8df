import { fnv1a32, type Capability, type LedgerEvent } from '@writ/ledger/domain';
import { budgetFrom } from './budget.js';
import { budgetEvolvers, budgetEvolving, ended, exhaustedText, resumed } from './evolve-budget.js';
import { goesOn } from './evolve-kept.js';
import type { EntryOutcome, EvictReason } from './entry.js';
import type { CommandKind, RunEventData, RunEventType } from './run.events.js';
import { beginGeneration, file, kindRecorded, recorded } from './loops.js';
import { joinEvolving, joinOf, joinOutcome, joinsOver } from './joins.js';
import { contentOf, resultOf, undoneOf } from './outcomes.js';
import type { RunIndex } from './run-index.js';
import { admitted, givesSlot, wakes } from '../queue/evolve-holding.js';
import { rearm, retryIsHandled } from './rearm.js';
import { added, forgetChild, noneOf, openAt, removed, RunRecord, type Open } from './run-record.js';

/** An event being applied. */
interface At {
  index: RunIndex;
  commit: number;
  timeMs: number;
  trace: string | undefined;
}
interface Key {
  kind: CommandKind;
  name: string;
  occurrence: number;
}
type Evolver<T extends RunEventType> = (run: RunRecord, data: RunEventData<T>, at: At) => void;

/** Applies one event of a run to the index. Total: what it does not know, it leaves alone. */
export function evolve(index: RunIndex, event: LedgerEvent, commit: number): void {
  const apply = evolvers[event.type as RunEventType] as Evolver<RunEventType> | undefined;
  if (!apply) return;
  const at: At = { index, commit, timeMs: Date.parse(event.time), trace: event.trace };
  index.forget(at.timeMs);
  let run = index.get(event.tenant, event.subject);
  if (event.type === 'run.started.v1') {
    if (run && !run.ended) return;
    run = started(index, event, at);
  }
  if (event.type === 'run.deleted.v1') return index.remove(event.tenant, event.subject);
  if (!run || run.ended) return;
  if (run.loops.length === 0 || !filedApart.has(event.type)) file(run, commit, (event.data as { name?: string }).name);
  if (run.fresh && event.type !== 'run.admitted.v1') index.keepFresh(run, undefined);
  const { state } = run;
  apply(run, event.data as never, at);
  index.moved(state, run.state);
  if (!run.ended) rearm(index, run, at.timeMs);
}

function started(index: RunIndex, event: LedgerEvent, at: At): RunRecord {
  const data = event.data as unknown as RunEventData<'run.started.v1'> & { grant?: Capability[] };
  const run = new RunRecord({
    tenant: index.intern(event.tenant),
    id: event.subject,
    workflow: index.intern(data.workflow),
    queue: index.intern(data.queue),
    agent: index.intern(data.agent),
    digest: data.digest,
    parent: data.parent,
    onBehalfOf: data.onBehalfOf?.length ? data.onBehalfOf.map((id) => index.intern(id)) : noneOf(),
    depth: data.depth,
    startedMs: at.timeMs,
    notBeforeMs: data.notBefore === undefined ? 0 : Date.parse(data.notBefore),
  });
  if (data.parent !== undefined) run.notify = [data.parent];
  run.granted = data.ungranted !== true;
  if (data.budget) run.budget = budgetFrom(data.budget);
  if (data.ticket) index.queues.take(run, data.ticket, Math.max(run.startedMs, run.notBeforeMs));
  if (data.pinned && data.version !== undefined) run.pin = index.intern(data.version);
  index.add(run);
  return run;
}

/** Where these are is known when it is known what became of them; matters only with loops. */
const filedApart: ReadonlySet<string> = new Set<RunEventType>([
  'run.message_received.v1',
  'run.child_ended.v1',
  'run.continued.v1',
]);

/** Something came true: tell the worker that has the run, or find one. */
function note(
  run: RunRecord,
  at: At,
  key: Omit<Key, 'kind'> & { kind: Key['kind'] | 'cancel' },
  outcome: EntryOutcome,
): void {
  if (run.idle) wakes(run, at);
  run.idle = false;
  if (!at.index.noting) return;
  const { commit, timeMs } = at;
  const { live } = run;
  if (!live) {
    if (!run.paused) at.index.notes.push({ commit, type: 'ready', run });
    return;
  }
  live.entries++;
  live.idle = false;
  const entry = { kind: key.kind, name: key.name, occurrence: key.occurrence, timeMs, outcome };
  at.index.notes.push({ commit, type: 'entry', run, live, entry });
}

/** A command has its outcome. */
function settle(run: RunRecord, at: At, key: Key, outcome: EntryOutcome): void {
  const position = openAt(run, key.name, key.occurrence);
  if (position >= 0) {
    const { kind, on } = run.opens[position] as Open;
    if (kind === 'approval' && on !== undefined) at.index.approvals.delete(run, on);
    run.opens = removed(run.opens, position);
  }
  recorded(run, key.kind, key.name, key.occurrence);
  run.state = run.opens.length > 0 || run.paused ? 'waiting' : 'running';
  note(run, at, key, outcome);
}

function evict(run: RunRecord, at: At, reason: EvictReason): void {
  const { live } = run;
  run.live = undefined;
  if (live && at.index.noting) at.index.notes.push({ commit: at.commit, type: 'evict', run, live, reason });
}

function begin(run: RunRecord, at: At, open: Key & { on?: string | undefined; until?: string | undefined }): Open {
  const { kind, occurrence, until } = open;
  const name = at.index.intern(open.name);
  const on = open.on === name ? name : open.on;
  const untilMs = until === undefined ? 0 : Date.parse(until);
  const made: Open = { kind, name, occurrence, on, untilMs, trying: undefined };
  run.opens = added(run.opens, made);
  run.state = 'waiting';
  return made;
}

/** A step has failed, and not for good. */
function tryAgain(run: RunRecord, data: RunEventData<'run.step_failed.v1'>, at: At): void {
  const { attempt: failures, error, retryAt, exhausted } = data;
  const position = openAt(run, data.name, data.occurrence);
  const open = position < 0 ? begin(run, at, data) : (run.opens[position] as Open);
  const { excused, sinceMs } = open.trying ?? { excused: 0, sinceMs: at.timeMs };
  const last = exhausted ? exhaustedText(error) : undefined;
  open.trying = { failures, excused, sinceMs, exhausted: last, told: undefined };
  open.untilMs = retryAt === undefined ? 0 : Date.parse(retryAt);
  run.state = 'waiting';
  run.idle = data.idle ?? false;
}

/** Its worker is silent: the run goes to another. */
function takeAway(run: RunRecord, at: At): void {
  evict(run, at, 'lost');
  if (at.index.noting) at.index.notes.push({ commit: at.commit, type: 'ready', run });
}

/** A person lets a step be tried again, at once. */
function tryAnew(open: Open, failures: number, { timeMs }: At): void {
  open.trying = { failures, excused: failures, sinceMs: timeMs, exhausted: undefined, told: undefined };
  open.untilMs = timeMs;
}

/** Whatever it waits for of people, it waits no more. */
function asksNobody(run: RunRecord, { index }: At): void {
  for (const { kind, on } of run.opens) if (kind === 'approval' && on !== undefined) index.approvals.delete(run, on);
}

function end(run: RunRecord, at: At, state: 'succeeded' | 'failed' | 'cancelled', reason: EvictReason = 'ended'): void {
  evict(run, at, reason);
  asksNobody(run, at);
  run.state = state;
  run.endedMs = at.timeMs;
  run.commits = [at.commit];
  run.done = noneOf();
  run.loops = noneOf();
  run.opens = noneOf();
  run.messages = noneOf();
  run.children = noneOf();
  run.notify = noneOf();
  run.cancel = undefined;
  if (run.budget) ended(run, at.index);
  run.paused = false;
  run.idle = false;
  at.index.timers.set(run, Infinity);
  givesSlot(run, at, 'gone');
  at.index.end(run);
}

const evolvers: { [T in RunEventType]: Evolver<T> } = {
  'run.started.v1': (run, data, at) => {
    if (!at.index.noting) return;
    run.untouched = true;
    at.index.keepFresh(run, { started: data, trace: at.trace });
    if (run.notBeforeMs <= at.timeMs) at.index.notes.push({ commit: at.commit, type: 'ready', run });
  },
  'run.admitted.v1': (run, data, at) => {
    run.idle = false;
    admitted(run, data, at);
  },
  'run.parked.v1': (run, _data, at) => {
    run.idle = true;
    givesSlot(run, at, 'parked');
    evict(run, at, 'moved');
  },
  'run.kept.v1': (run, data, at) =>
    goesOn(run, data, at, (type, ...applied) => evolvers[type as 'run.watched.v1']?.(...applied)),
  'run.pinned.v1': (run, { version }, at) => {
    run.pin = version === undefined ? undefined : at.index.intern(version);
    if (run.paused || (run.idle && !run.live)) return;
    evict(run, at, 'moved');
    run.queued = false; // it stands in the line of another version
    if (at.index.noting && run.notBeforeMs <= at.timeMs) at.index.notes.push({ commit: at.commit, type: 'ready', run });
  },
  'run.restarted.v1': (run, _data, at) => end(run, at, 'cancelled', 'paused'),
  'run.watched.v1': (run, { by }) => {
    run.notify = added(run.notify, by);
  },
  'run.step_completed.v1': (run, data, at) => settle(run, at, data, { type: 'own', content: contentOf(data) }),
  'run.streamed.v1': () => {},
  'run.step_failed.v1': (run, data, at) => {
    if (data.retryAt === undefined && !data.exhausted) settle(run, at, data, { type: 'failed', error: data.error });
    else tryAgain(run, data, at);
    if (data.lost) takeAway(run, at);
  },
  'run.waiting.v1': (run, data, at) => {
    const open = begin(run, at, data);
    run.idle = data.idle ?? false;
    if (data.kind === 'message') {
      const position = run.messages.findIndex(({ message }) => message === open.on);
      const taken = run.messages[position];
      if (!taken) return;
      run.messages = removed(run.messages, position);
      if (run.loops.length > 0) file(run, taken.commit, data.name);
      settle(run, at, data, { type: 'completed', content: taken.content });
    } else if (data.join) {
      open.join = joinOf(run, data.join);
      const outcome = joinOutcome(run, open.join);
      if (outcome) settle(run, at, data, outcome);
    } else if (data.kind === 'result') {
      const outcome = run.children.find(({ id }) => id === open.on)?.outcome;
      if (outcome) settle(run, at, data, resultOf(outcome));
    } else if (data.kind === 'approval' && open.on !== undefined) at.index.approvals.add(run, open.on);
  },
  'run.timer_fired.v1': (run, data, at) => {
    if (openAt(run, data.name, data.occurrence) < 0) return;
    settle(run, at, data, { type: data.kind === 'sleep' ? 'fired' : 'timedOut' });
  },
  'run.aborted.v1': (run, data, at) => {
    if (kindRecorded(run, data.name, data.occurrence) !== undefined) return; // in the same commit, before
    const open = run.opens[openAt(run, data.name, data.occurrence)];
    if (open?.kind === 'child' && open.trying) forgetChild(run, open.on); // it was deferred
    settle(run, at, data, { type: 'failed', error: data.error });
  },
  'run.message_received.v1': (run, data, at) => {
    const open = run.opens.find(({ kind, on }) => kind === 'message' && on === data.message);
    if (open) {
      file(run, at.commit, open.name);
      settle(run, at, open, { type: 'completed', content: contentOf(data) });
    } else run.messages = added(run.messages, { message: data.message, content: contentOf(data), commit: at.commit });
  },
  'run.update_accepted.v1': (run, data, at) => {
    begin(run, at, { ...data, on: data.update });
    note(run, at, data, { type: 'accepted', update: data.update, content: contentOf(data) });
  },
  'run.update_answered.v1': (run, data, at) => {
    const { error } = data;
    settle(run, at, data, error ? { type: 'failed', error } : { type: 'own', content: contentOf(data) });
  },
  'run.answered.v1': (run, data, at) => {
    if (openAt(run, data.name, data.occurrence) < 0) return;
    const { approval, approved, by = '', reason = '' } = data;
    if (data.expired) settle(run, at, data, { type: 'timedOut' });
    else settle(run, at, data, { type: 'answered', approval, approved, by, reason, content: contentOf(data) });
  },
  'run.authority_requested.v1': (run) => {
    run.granted = true;
  },
  'run.child_requested.v1': (run, data, at) => {
    begin(run, at, { ...data, on: data.child });
    run.idle = false;
    run.granted = true;
    const known = run.children.findIndex(({ id, by }) => id === data.child && by !== undefined);
    if (known >= 0) run.children = removed(run.children, known);
    run.children = added(run.children, {
      id: data.child,
      cancelWithParent: data.cancelWithParent ?? false,
      outcome: undefined,
      ...(run.loops.length > 0 && { by: data.name }),
    });
  },
  'run.child_started.v1': (run, data, at) => settle(run, at, data, { type: 'started', child: data.child }),
  'run.child_refused.v1': (run, data, at) => {
    forgetChild(run, data.child);
    settle(run, at, data, { type: 'failed', error: data.error });
  },
  'run.child_ended.v1': (run, data, at) => {
    const child = run.children.find(({ id }) => id === data.child);
    if (!child) return;
    if (run.loops.length > 0) file(run, at.commit, child.by);
    child.outcome = data;
    if (run.cancel) {
      run.cancel.outcomeUnknown.push(...(data.outcomeUnknown ?? []));
      run.cancel.undone.push(...undoneOf(data));
    }
    for (const open of run.opens.filter(({ kind, on }) => kind === 'result' && on === data.child))
      settle(run, at, open, resultOf(data));
    for (const [open, outcome] of joinsOver(run, data)) settle(run, at, open, outcome);
  },
  'run.continued.v1': (run, data, at) => {
    beginGeneration(run, data, at.commit);
    note(run, at, data, { type: 'loop', turn: data.turn, content: contentOf(data) });
  },
  'run.emitted.v1': (run, data, at) => settle(run, at, data, { type: 'own', content: contentOf(data) }),
  'run.attributes_set.v1': (run, data, at) => settle(run, at, data, { type: 'own', content: {} }),
  'run.patched.v1': (run, data, at) => settle(run, at, data, { type: 'own', content: {} }),
  'run.cancel_requested.v1': (run, data, at) => {
    run.cancel = {
      reason: data.reason,
      deadlineMs: Date.parse(data.deadline),
      stopped: undefined,
      outcomeUnknown: [],
      undone: [],
      undoing: [],
    };
    note(run, at, { kind: 'cancel', name: 'cancel', occurrence: 1 }, { type: 'cancel', reason: data.reason });
  },
  'run.undoing.v1': (run, { steps }) => {
    if (run.cancel) Object.assign(run.cancel, { undoing: steps, deadlineMs: Infinity });
  },
  'run.stopped.v1': (run, data, at) => {
    if (run.cancel) {
      run.cancel.stopped = data.stopped;
      run.cancel.outcomeUnknown.push(...data.outcomeUnknown);
      run.cancel.undone.push(...(data.undone ?? []));
    }
    asksNobody(run, at);
    run.opens = noneOf();
    run.idle = true;
    givesSlot(run, at, 'parked');
    evict(run, at, 'ended');
  },
  'run.paused.v1': (run, { reason }, at) => {
    run.paused = reason;
    run.idle = true;
    run.state = 'waiting';
    givesSlot(run, at, 'parked');
    evict(run, at, 'paused');
  },
  'run.resumed.v1': (run, data, at) => {
    run.paused = false;
    run.idle = false;
    const early = run.notBeforeMs > at.timeMs;
    run.state = early ? 'queued' : run.opens.length > 0 ? 'waiting' : 'running';
    for (const open of resumed(run, data)) tryAnew(open, open.trying?.failures ?? 0, at);
    if (at.index.noting && !run.live && !early) at.index.notes.push({ commit: at.commit, type: 'ready', run });
  },
  ...budgetEvolvers,
  'run.deleted.v1': () => {},
  'run.succeeded.v1': (run, _data, at) => end(run, at, 'succeeded'),
  'run.failed.v1': (run, _data, at) => end(run, at, 'failed'),
  'run.cancelled.v1': (run, data, at) => end(run, at, 'cancelled', data.reason === 'revoked' ? 'revoked' : 'ended'),
};

/** Another way to apply events is another version: a snapshot is only a cache, and one made by other code is worth nothing. */
export const evolveVersion = fnv1a32(
  [
    evolve,
    started,
    admitted,
    givesSlot,
    wakes,
    file,
    recorded,
    beginGeneration,
    rearm,
    retryIsHandled,
    note,
    settle,
    evict,
    begin,
    tryAgain,
    takeAway,
    goesOn,
    tryAnew,
    end,
    ...budgetEvolving,
    ...joinEvolving,
    ...Object.values(evolvers),
  ]
    .map(String)
    .join('\n'),
);

/** The types that are applied. */
export const evolvedTypes = Object.keys(evolvers) as RunEventType[];
