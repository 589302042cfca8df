import type { Json } from '@writ/ledger/domain';
import { budgetOfRow, budgetRow, type BudgetRow } from './budget.js';
import { rearm } from './rearm.js';
import type { Loop } from './loops.js';
import type { Join } from './joins.js';
import type { RunIndex } from './run-index.js';
import {
  noneOf,
  RunRecord,
  type Buffered,
  type Cancelling,
  type Child,
  type Open,
  type RunState,
  type Trying,
} from './run-record.js';

/** Raise it when the rows change. */
export const snapshotVersion = 6;

/** A run as a row; what is not set is null or an empty list. */
type Row = [
  string, string, string, string, string, string, string | null, number, number, number,
  RunState, RunRecord['paused'], boolean, number[], number[], OpenRow[], Buffered[], Child[], string[], Cancelling | null, number, string[],
  boolean, BudgetRow | null, Loop[], string | null,
]; // prettier-ignore
type OpenRow = [Open['kind'], string, number, string | null, number, TryingRow | null, join?: Join];
/** How the attempts of a step went, as a row. */
export type TryingRow = [failures: number, excused: number, sinceMs: number, exhausted: string | null];

/** Copies: what evolves later leaves it alone. Endings come in the order in which they are to be forgotten. */
export function runsSnapshot(index: RunIndex): Json {
  const rows: Row[] = [];
  for (const run of index.all()) rows.push(rowOf(run));
  return rows as unknown as Json;
}

export function restoreRuns(index: RunIndex, snapshot: Json): void {
  const ended: RunRecord[] = [];
  for (const row of snapshot as unknown as Row[]) {
    const run = runOf(index, row);
    index.add(run);
    if (run.ended) ended.push(run);
    else rearm(index, run, 0);
    for (const { kind, on } of run.opens) if (kind === 'approval' && on !== undefined) index.approvals.set(on, run);
    const asked = run.budget?.own?.asked;
    if (asked) index.approvals.set(asked.approval, run);
  }
  ended.sort((a, b) => a.endedMs - b.endedMs);
  for (const run of ended) index.end(run);
}

function rowOf(run: RunRecord): Row {
  const opens = run.opens.map(openRow);
  const cancel = run.cancel && structuredClone(run.cancel);
  return [
    run.tenant, run.id, run.workflow, run.queue, run.agent, run.digest, run.parent ?? null, run.depth, run.startedMs, run.notBeforeMs,
    run.state, run.paused, run.idle, [...run.commits], [...run.done], opens, [...run.messages],
    run.children.map((child) => ({ ...child })), [...run.notify], cancel ?? null, run.endedMs, [...run.onBehalfOf],
    run.granted, run.budget ? budgetRow(run.budget) : null, structuredClone(run.loops), run.pin ?? null,
  ]; // prettier-ignore
}

function runOf(index: RunIndex, row: Row): RunRecord {
  const [tenant, id, workflow, queue, agent, digest, parent, depth, startedMs, notBeforeMs] = row;
  const [
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    state,
    paused,
    idle,
    commits,
    done,
    opens,
    messages,
    children,
    notify,
    cancel,
    endedMs,
    onBehalfOf,
    granted,
    budget,
    loops,
    pin,
  ] = row;
  const run = new RunRecord({
    tenant: index.intern(tenant),
    id,
    workflow: index.intern(workflow),
    queue: index.intern(queue),
    agent: index.intern(agent),
    digest,
    parent: parent ?? undefined,
    onBehalfOf: listOf(onBehalfOf.map((each) => index.intern(each))),
    depth,
    startedMs,
    notBeforeMs,
  });
  run.state = state;
  run.paused = paused;
  run.idle = idle;
  run.commits = commits;
  run.done = listOf(done);
  run.opens = listOf(opens.map(openOf));
  run.messages = listOf(messages);
  run.children = listOf(children.map((child) => ({ ...child, outcome: child.outcome ?? undefined })));
  run.notify = listOf(notify);
  run.cancel = cancel ? cancelOf(cancel) : undefined;
  run.endedMs = endedMs;
  run.granted = granted;
  run.loops = listOf(loops);
  run.pin = pin === null ? undefined : index.intern(pin);
  if (budget) run.budget = budgetOfRow(budget);
  return run;
}

function listOf<T>(list: T[]): T[] {
  return list.length > 0 ? list : noneOf();
}

/** Also as the view has it. */
export function openRow({ kind, name, occurrence, on, untilMs, trying, join }: Open): OpenRow {
  const row: OpenRow = [kind, name, occurrence, on ?? null, untilMs, tryingRow(trying)];
  if (join) row[6] = { ...join };
  return row;
}

function openOf([kind, name, occurrence, on, untilMs, trying, join]: OpenRow): Open {
  const open: Open = { kind, name, occurrence, on: on ?? undefined, untilMs, trying: tryingOf(trying) };
  return join ? { ...open, join } : open;
}

/** JSON knows neither undefined nor infinity. */
function cancelOf({ stopped, deadlineMs, ...cancel }: Cancelling): Cancelling {
  return { ...cancel, stopped: stopped ?? undefined, deadlineMs: deadlineMs ?? Infinity };
}

/** Also as the view has it. */
export function tryingRow(trying: Trying | undefined): TryingRow | null {
  if (!trying) return null;
  const { failures, excused, sinceMs, exhausted = null } = trying;
  return [failures, excused, sinceMs, exhausted];
}

export function tryingOf(row: TryingRow | null): Trying | undefined {
  if (!row) return undefined;
  const [failures, excused, sinceMs, exhausted] = row;
  return { failures, excused, sinceMs, exhausted: exhausted ?? undefined, told: undefined };
}
