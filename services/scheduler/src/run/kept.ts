import { refuse, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { evolve } from './evolve.js';
import { lifeOf } from './life.js';
import { kindRecorded } from './loops.js';
import type { RunEventData, RunEventType } from './run.events.js';
import { RunIndex } from './run-index.js';
import type { RunRecord } from './run-record.js';

/** A part of a record that another life of a run, or another run, goes on from. */
export type Kept = RunEventData<'run.kept.v1'>;
type KeptEvent = Kept['events'][number];

/** What a restart or a fork takes over, and what it leaves. */
export interface Cut {
  kept: Kept[];
  /** Effects that are left: what was done there is done anew. */
  dropped: string[];
  /** Children among what is kept whose end is not: they may have told it to nobody. */
  waiting: string[];
}

/** A command, as people name it: `charge/2`, or `charge` for the first of that name. */
export interface Step {
  name: string;
  occurrence: number;
}

export function stepOf(text: string): Step {
  const [, name, occurrence] = /^(.+)\/(\d+)$/s.exec(text.replace(/^(step|call) /, '')) ?? [];
  return name === undefined ? { name: text, occurrence: 1 } : { name, occurrence: Number(occurrence) };
}

/** What came true, and what others did: it is kept. What a run did about its own state, and what stood open, is not. */
const keeps = new Set<string>([
  'run.step_completed.v1',
  'run.step_failed.v1',
  'run.waiting.v1',
  'run.timer_fired.v1',
  'run.aborted.v1',
  'run.message_received.v1',
  'run.answered.v1',
  'run.update_accepted.v1',
  'run.update_answered.v1',
  'run.child_requested.v1',
  'run.child_started.v1',
  'run.child_refused.v1',
  'run.child_ended.v1',
  'run.emitted.v1',
  'run.attributes_set.v1',
  'run.patched.v1',
  'run.watched.v1',
] satisfies RunEventType[]);

/** An event with the part of the record that it stands in. */
interface Line {
  part: number;
  event: KeptEvent;
}

/**
 * Cuts the record of a run in two.
 *
 * @param events of the run, from its start
 * @param at `before`: in front of the first thing recorded of this step; `after`: behind its outcome; neither: behind all
 * @param sameRun messages that it has not taken there are facts that the run will meet again
 * @throws DomainError `run.no_such_step`, `run.cannot_cut`
 */
export function cut(
  events: readonly LedgerEvent[],
  { before, after }: { before?: Step; after?: Step },
  sameRun: boolean,
): Cut {
  const { parts, lines } = linesOf(events);
  const end = before ? firstOf(lines, before) : after ? outcomeOf(lines, events, after) + 1 : lines.length;
  const over = lines.slice(0, end);
  const left = lines.slice(end);
  const refused = over.find(({ event }) => ['run.cancel_requested.v1', 'run.continued.v1'].includes(event.type));
  if (refused)
    throw refuse(
      'run.cannot_cut',
      refused.event.type === 'run.continued.v1'
        ? 'a record with a loop in it cannot be gone on from yet: restart it before the loop'
        : 'it was recorded after the run had been cancelled',
    );
  const run = replayed(events[0] as LedgerEvent, over);
  const open = new Set(run.opens.map(keyOf));
  const untaken = new Set(sameRun ? [] : run.messages.map(({ commit }) => over[commit - 2]));
  const kept = over.filter((line) => isKept(line.event, open) && !untaken.has(line));
  const children = new Set(
    over.flatMap(({ event }) => (event.type === 'run.child_requested.v1' ? [childOf(event)] : [])),
  );
  for (const { event } of left) {
    const fact = event.type === 'run.child_ended.v1' ? children.has(childOf(event)) : sameRun && facts.has(event.type);
    if (fact) kept.push({ part: over[over.length - 1]?.part ?? 0, event });
  }
  const told = new Set(kept.flatMap(({ event }) => (event.type === 'run.child_ended.v1' ? [childOf(event)] : [])));
  return {
    kept: partsOf(parts, kept, over[over.length - 1]?.part ?? 0),
    dropped: [
      ...new Set(
        [...left, ...over.filter(({ event }) => open.has(keyOf(event.data as unknown as Step)))].flatMap(effectOf),
      ),
    ],
    waiting: [...children].filter((child) => !told.has(child)),
  };
}

const facts = new Set(['run.message_received.v1', 'run.watched.v1']);
const keyOf = ({ name, occurrence }: Step) => `${occurrence} ${name}`;
const childOf = ({ data }: KeptEvent) => (data as unknown as { child: string }).child;

/** The record line by line, what it was begun with included. */
function linesOf(events: readonly LedgerEvent[]): { parts: Omit<Kept, 'events'>[]; lines: Line[] } {
  const [start] = events as [LedgerEvent];
  const { restarts } = start.data as unknown as RunEventData<'run.started.v1'>;
  const parts: Omit<Kept, 'events'>[] = [];
  const lines: Line[] = [];
  let startedAt = start.time;
  for (const event of events) {
    if (event.type !== 'run.kept.v1') continue;
    const { events: inner, ...part } = event.data as unknown as Kept;
    lines.push(...inner.map((each) => ({ part: parts.length, event: each })));
    parts.push({ ...part, until: part.until ?? event.time });
    startedAt = part.startedAt;
  }
  for (const { type, time, data } of events)
    if (type !== 'run.started.v1' && type !== 'run.kept.v1')
      lines.push({ part: parts.length, event: { type, time, data: data as Json } });
  parts.push({ life: lifeOf(start.subject, { restarts }), startedAt });
  return { parts, lines };
}

function partsOf(parts: readonly Omit<Kept, 'events'>[], lines: readonly Line[], last: number): Kept[] {
  return parts.slice(0, last + 1).map(({ until, ...part }, at): Kept => ({
    ...part,
    ...(at < last && until !== undefined && { until }),
    events: lines.filter((line) => line.part === at).map(({ event }) => event),
  }));
}

function isAbout({ event: { data } }: Line, { name, occurrence }: Step): boolean {
  const about = data as Partial<Step>;
  return about.name === name && about.occurrence === occurrence;
}

/** @throws DomainError `run.no_such_step` */
function firstOf(lines: readonly Line[], step: Step): number {
  const at = lines.findIndex((line) => isAbout(line, step));
  if (at >= 0) return at;
  throw noStep(lines, step);
}

/** Where it came true, as the function that keeps the index sees it. @throws DomainError `run.no_such_step` */
function outcomeOf(lines: readonly Line[], [start]: readonly LedgerEvent[], step: Step): number {
  const index = new RunIndex();
  const run = begun(index, start as LedgerEvent);
  for (const [at, { event }] of lines.entries()) {
    evolve(index, { ...(start as LedgerEvent), ...event, data: event.data as never }, at + 2);
    if (kindRecorded(run, step.name, step.occurrence) !== undefined) return at;
  }
  throw noStep(lines, step);
}

/** The run as it stood after these lines. A line is a commit here, behind that of the start. */
function replayed(start: LedgerEvent, lines: readonly Line[]): RunRecord {
  const index = new RunIndex();
  const run = begun(index, start);
  for (const [at, { event }] of lines.entries())
    evolve(index, { ...start, ...event, data: event.data as never }, at + 2);
  return run;
}

function begun(index: RunIndex, start: LedgerEvent): RunRecord {
  const { budget: _, ticket: __, ...data } = start.data as unknown as RunEventData<'run.started.v1'>;
  evolve(index, { ...start, data: data as never }, 1);
  return index.get(start.tenant, start.subject) as RunRecord;
}

function isKept({ type, data }: KeptEvent, open: ReadonlySet<string>): boolean {
  const about = data as { name?: string; occurrence?: number; retryAt?: string; exhausted?: boolean };
  if (!keeps.has(type)) return false;
  if (type === 'run.step_failed.v1' && (about.retryAt !== undefined || about.exhausted)) return false;
  return about.name === undefined || !open.has(keyOf(about as Step));
}

/** What a line says that was done outside of the run, or may have been. */
function effectOf({ event: { type, data } }: Line): string[] {
  const { kind, name, occurrence } = data as unknown as Step & { kind: string };
  if (type === 'run.step_completed.v1') return [`${kind} ${name}/${occurrence}`];
  if (type === 'run.step_failed.v1') return [`${kind} ${name}/${occurrence} (an attempt that failed)`];
  return type === 'run.child_requested.v1' ? [`run ${childOf({ type, time: '', data })}`] : [];
}

function noStep(lines: readonly Line[], { name, occurrence }: Step): Error {
  const there = new Set(
    lines.flatMap(({ event: { type, data } }) => {
      const { kind, name: each, occurrence: count } = data as unknown as Step & { kind?: string };
      return kind !== undefined && keeps.has(type) ? [`${each}/${count}`] : [];
    }),
  );
  const known = [...there].slice(-20).join(', ');
  return refuse('run.no_such_step', `nothing is recorded of ${name}/${occurrence}; of these there is: ${known}`);
}
