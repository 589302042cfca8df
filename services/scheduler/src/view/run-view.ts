import type { LedgerEvent } from '@writ/ledger/domain';
import type { Projection } from '@writ/ledger';
import { evolve } from '../run/evolve.js';
import type { Receipt } from '../run/run.commands.js';
import { endTypes } from '../partition/end-waiters.js';
import type { EndedBudget } from '../run/budget.events.js';
import type { Failure, RunEventData } from '../run/run.events.js';
import type { Join } from '../run/joins.js';
import { RunIndex } from '../run/run-index.js';
import { noneOf, RunRecord, type Child, type Open, type RunState, type Trying } from '../run/run-record.js';
import { openRow, tryingOf, type TryingRow } from '../run/run-snapshot.js';
import { withAttributes } from './run-attributes.js';
import type { Attributes } from '../run/attributes.js';

type Projected = Parameters<Projection['apply']>[0][number];

/** A run as the table has it. Times are milliseconds. */
export interface RunRow {
  tenant: string;
  id: string;
  workflow: string;
  version: string | null;
  state: RunState;
  waiting_on: string | null;
  queue: string;
  agent: string;
  parent: string | null;
  depth: number;
  digest: string;
  created_ms: number;
  ended_ms: number | null;
  error: Failure | null;
  entries: number;
  /** What is open, to go on from: messages and results only by name. */
  waits: Waits;
  /** Absent or null: none were ever set. */
  attributes?: Attributes | null;
  partition: number;
  /** The commit of its last event. */
  commit: number;
}

type AttributesSet = RunEventData<'run.attributes_set.v1'>;

interface Waits {
  opens: [
    kind: Open['kind'],
    name: string,
    occurrence: number,
    on: string | null,
    untilMs: number,
    trying: TryingRow | number | null,
    join?: Join,
  ][];
  messages: string[];
  /** With the command that started it, in a run with loops. */
  children: [id: string, ended: boolean | 'badly', by?: string][];
  paused: string | null;
  /** Absent in rows that an older version wrote. */
  diff?: string;
  /** The version to which it is pinned. */
  pin?: string;
  /** Of a run that has ended. */
  receipt?: Receipt;
  /** Of a run that has ended and had limits of its own. */
  budget?: EndedBudget;
}

const counted = new Set([
  'run.step_completed.v1',
  'run.timer_fired.v1',
  'run.message_received.v1',
  'run.answered.v1',
  'run.update_answered.v1',
  'run.child_started.v1',
  'run.child_ended.v1',
  'run.emitted.v1',
]);

/** The name under which reads wait for the view. */
export const runViewName = 'runs';

/**
 * Takes the rows that the events need and gives the rows that they make. What a message or a result does to a run is
 * decided by the same function as in the owner's index.
 */
export function projectRuns(events: readonly Projected[], stored: readonly RunRow[]): RunRow[] {
  const index = new RunIndex();
  const rows = new Map<string, RunRow>();
  for (const row of stored) {
    rows.set(`${row.tenant}\n${row.id}`, row);
    if (row.ended_ms === null) index.add(recordOf(row));
  }
  const changed = new Set<RunRow>();
  for (const { event, position } of events) {
    const key = `${event.tenant}\n${event.subject}`;
    let row = rows.get(key);
    if (event.type === 'run.started.v1') {
      const started = event.data as unknown as RunEventData<'run.started.v1'>;
      if (row) changed.delete(row); // its life so far is over
      const atMs = started.restarts && row ? row.created_ms : Date.parse(event.time);
      row = newRow(event.tenant, event.subject, started, atMs, position.partition);
      if (started.attributes) row.attributes = withAttributes(undefined, started.attributes);
      rows.set(key, row);
    }
    if (!row || row.ended_ms !== null) continue;
    evolve(index, event, position.commit);
    changed.add(row);
    row.commit = position.commit;
    for (const { type, data } of linesOf(event)) {
      if (counted.has(type)) row.entries++;
      if (type === 'run.attributes_set.v1')
        row.attributes = withAttributes(row.attributes, (data as never as AttributesSet).attributes);
      if (type === 'run.step_failed.v1' && !('retryAt' in (data as object))) row.entries++;
    }
    if (event.type === 'run.paused.v1') Object.assign(row.waits, pausedOn(event.data as never, event.actor.principal));
    if (event.type === 'run.resumed.v1') Object.assign(row.waits, { paused: null, diff: '' });
    if (event.type === 'run.failed.v1') row.error = (event.data as unknown as RunEventData<'run.failed.v1'>).error;
    const receipt = receiptOf(event.data as Partial<Receipt>);
    if (endTypes.has(event.type)) row.ended_ms = Date.parse(event.time);
    const run = index.get(event.tenant, event.subject);
    if (run) describe(row, run);
    if (run?.ended && receipt) row.waits.receipt = receipt;
    const { budget } = event.data as { budget?: EndedBudget };
    if (run?.ended && budget) row.waits.budget = budget;
  }
  return [...changed];
}

/** An event, or those that it has with it from the record that the run goes on from. */
function linesOf({ type, data }: LedgerEvent): readonly Pick<LedgerEvent, 'type' | 'data'>[] {
  return type === 'run.kept.v1' ? (data as unknown as RunEventData<'run.kept.v1'>).events : [{ type, data }];
}

function newRow(
  tenant: string,
  id: string,
  started: RunEventData<'run.started.v1'>,
  ms: number,
  partition: number,
): RunRow {
  const { workflow, version = null, queue, agent, parent = null, depth, digest } = started;
  return {
    tenant, id, workflow, version, state: 'queued', waiting_on: null, queue, agent, parent, depth, digest,
    created_ms: ms, ended_ms: null, error: null, entries: 0,
    waits: { opens: [], messages: [], children: [], paused: null }, partition, commit: 0,
  }; // prettier-ignore
}

function recordOf(row: RunRow): RunRecord {
  const { tenant, id, workflow, queue, agent, digest, parent, depth, created_ms, waits } = row;
  const origin = { tenant, id, workflow, queue, agent, digest, depth, startedMs: created_ms, notBeforeMs: 0 };
  const run = new RunRecord({ ...origin, parent: parent ?? undefined, onBehalfOf: [] });
  run.state = row.state;
  run.pin = waits.pin;
  run.pin = waits.pin;
  run.paused = waits.paused !== null && 'requested';
  if (waits.opens.length > 0)
    run.opens = waits.opens.map(([kind, name, occurrence, on, untilMs, trying, join]) => ({
      kind, name, occurrence, on: on ?? undefined, untilMs, trying: tried(trying, untilMs), ...(join && { join }),
    })); // prettier-ignore
  if (waits.messages.length > 0) run.messages = waits.messages.map((message) => ({ message, content: {}, commit: 0 }));
  if (waits.children.length > 0)
    run.children = waits.children.map(([child, ended, by]) => ({
      id: child,
      cancelWithParent: false,
      ...(by !== undefined && { by }),
      outcome: ended ? { child, state: ended === 'badly' ? 'failed' : 'succeeded' } : undefined,
    }));
  return run;
}

/** How a child ended, as far as waits for several of them ask. */
function endedOf(outcome: Child['outcome']): boolean | 'badly' {
  return outcome?.state === 'succeeded' || (outcome !== undefined && 'badly');
}

/** What the end of a run says that it left behind. */
function receiptOf({ stopped = [], outcomeUnknown = [], undone = [] }: Partial<Receipt>): Receipt | undefined {
  if (stopped.length + outcomeUnknown.length + undone.length === 0) return undefined;
  return { stopped, outcomeUnknown, undone };
}

function describe(row: RunRow, run: RunRecord): void {
  const { paused, diff } = row.waits;
  row.state = run.state;
  row.waiting_on = run.ended
    ? null
    : (paused ?? (run.opens.length > 0 ? run.opens.map(waitText).join(', ').slice(0, 500) : null));
  row.waits = {
    opens: run.opens.map(openRow),
    messages: run.messages.map(({ message }) => message),
    children: run.children.map(({ id, outcome, by }) =>
      by === undefined ? [id, endedOf(outcome)] : [id, endedOf(outcome), by],
    ),
    paused: run.ended ? null : paused,
    ...(diff && !run.ended && { diff }),
    ...(run.pin !== undefined && !run.ended && { pin: run.pin }),
  };
  // The record is thrown away with the batch; what it remembers of outcomes is not needed.
  run.done = noneOf();
}

/** A row of an older version has only the number of failures. */
function tried(row: TryingRow | number | null, sinceMs: number): Trying | undefined {
  if (typeof row !== 'number') return tryingOf(row);
  return row > 0 ? tryingOf([row, 0, sinceMs, null]) : undefined;
}

/** What a run waits for, for people. */
export function waitText({ kind, name, occurrence, on, untilMs, trying, join }: Open): string {
  const until = untilMs > 0 ? ` until ${new Date(untilMs).toISOString()}` : '';
  switch (kind) {
    case 'sleep':
      return `timer${until}`;
    case 'message':
      return `message ${on ?? name}${until}`;
    case 'approval':
      return `approval ${on ?? ''}${until}`;
    case 'child':
      if (trying?.exhausted !== undefined) return `person: start of child ${on ?? ''} waits: ${trying.exhausted}`;
      return `start of child ${on ?? ''}`;
    case 'update':
      return `update ${on ?? name}`;
    case 'result':
      if (join) return joinText(join) + until;
      return `child ${on ?? ''}${until}`;
    default: {
      const { failures = 0, exhausted } = trying ?? {};
      const times = failures > 0 ? ` after ${failures} failures` : '';
      if (exhausted !== undefined) return `person: ${kind} ${name}/${occurrence} is exhausted${times}: ${exhausted}`;
      return `another try of ${kind} ${name}/${occurrence}${until}${times}`;
    }
  }
}

function joinText({ children, need, succeeded, failed }: Join): string {
  const wanted = need === 0 ? 'the end' : `${need === children.length ? 'all' : need}`;
  return `${wanted} of ${children.length} children (${succeeded} succeeded, ${failed} did not)`;
}

function pausedOn(data: RunEventData<'run.paused.v1'>, by: string): Pick<Waits, 'paused' | 'diff'> {
  const { reason, difference, note } = data;
  if (reason === 'requested')
    return { paused: `person: paused by ${by}${note ? `: ${note}` : ''}`.slice(0, 500), diff: '' };
  if (reason === 'budget') return { paused: 'budget: its time is over', diff: '' };
  const at = difference?.expected ?? difference?.actual;
  const where = at ? ` at ${at.kind} ${at.name}/${at.occurrence}` : '';
  const paused = `person: ${reason}${where}${difference ? `: ${difference.text}` : ''}`.slice(0, 500);
  return { paused, diff: difference?.diff ?? '' };
}
