import type { Json } from '@writ/ledger/domain';
import { budgetOfRow, budgetRow, type BudgetRow } from './budget.js';
import { rearm } from './rearm.js';
import type { Join } from './joins.js';
import type { RunIndex } from './run-index.js';
import { noneOf, RunRecord, type Cancelling, type Open, type RunState, type Trying } from './run-record.js';

/** Raise it when the rows change. */
export const snapshotVersion = 7;

/** What most runs have as it was when they were made. */
const rare = [
  'parent',
  'onBehalfOf',
  'depth',
  'notBeforeMs',
  'paused',
  'loops',
  'messages',
  'children',
  'notify',
  'cancel',
  'pin',
  'endedMs',
] as const satisfies (keyof RunRecord)[];
type Rare = Partial<Pick<RunRecord, (typeof rare)[number]>> & { budget?: BudgetRow };

/** A run as a row. */
type Row = [
  ...[tenant: string, id: string, workflow: string, queue: string, agent: string, digest: string, startedMs: number],
  ...[state: RunState, idle: boolean, granted: boolean, commits: number[], done: number[], opens: OpenRow[], Rare?],
];
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
    for (const { kind, on } of run.opens) if (kind === 'approval' && on !== undefined) index.approvals.add(run, on);
    const asked = run.budget?.own?.asked;
    if (asked) index.approvals.add(run, asked.approval);
  }
  ended.sort((a, b) => a.endedMs - b.endedMs);
  for (const run of ended) index.end(run);
}

function rowOf(run: RunRecord): Row {
  const { tenant, id, workflow, queue, agent, digest, startedMs, state, idle, granted, commits, done, opens } = run;
  const lists: [number[], number[], OpenRow[]] = [commits.slice(), done.slice(), opens.map(openRow)];
  const row: Row = [tenant, id, workflow, queue, agent, digest, startedMs, state, idle, granted, ...lists];
  const more = rareOf(run);
  if (more) row.push(more);
  return row;
}

function rareOf(run: RunRecord): Rare | undefined {
  let found: Record<string, unknown> | undefined;
  for (const key of rare) {
    const value = run[key];
    if (value === undefined || value === false || value === 0 || value === noneOf()) continue;
    (found ??= {})[key] = typeof value === 'object' ? structuredClone(value) : value;
  }
  return run.budget ? { ...found, budget: budgetRow(run.budget) } : found;
}

function runOf(index: RunIndex, row: Row): RunRecord {
  const [tenant, id, workflow, queue, agent, digest, startedMs, state, idle, granted, commits, done, opens, more = {}] =
    row;
  const { parent, onBehalfOf = [], depth = 0, notBeforeMs = 0, children, cancel, pin, budget, ...others } = more;
  const run = new RunRecord({
    tenant: index.intern(tenant),
    id,
    workflow: index.intern(workflow),
    queue: index.intern(queue),
    agent: index.intern(agent),
    digest,
    parent,
    onBehalfOf: listOf(onBehalfOf.map((each) => index.intern(each))),
    depth,
    startedMs,
    notBeforeMs,
  });
  run.state = state;
  run.idle = idle;
  run.granted = granted;
  run.commits = commits;
  run.done = listOf(done);
  run.opens = listOf(opens.map((open) => openOf(index, open)));
  if (children) run.children = children.map((child) => ({ ...child, outcome: child.outcome }));
  if (cancel) run.cancel = cancelOf(cancel);
  if (pin !== undefined) run.pin = index.intern(pin);
  if (budget) run.budget = budgetOfRow(budget);
  return Object.assign(run, others);
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

function openOf(index: RunIndex, [kind, own, occurrence, on, untilMs, trying, join]: OpenRow): Open {
  const name = index.intern(own);
  const open: Open = {
    kind,
    name,
    occurrence,
    on: on === name ? name : (on ?? undefined),
    untilMs,
    trying: tryingOf(trying),
  };
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
