/** What must hold of every run of a program, from what it gave back, from its events in the ledger and from what its steps did. */
import { eventually } from '@writ/testkit';
import type { Rest } from '../../demo/rest.js';
import type { Model, Outcome } from './model.js';
import { checkNarrow } from './narrow.js';
import type { Case } from './program.js';
import type { Stage } from './stage.js';
import { checkStreams } from './streams.js';

/** A program that is over for who awaited it. */
export interface Ended {
  readonly case: Case;
  readonly model: Model;
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'stuck';
  readonly outcome: Outcome;
}

/** As the audit's index has it. */
interface RunEvent {
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: {
    name?: string;
    occurrence?: number;
    attempt?: number;
    retryAt?: string;
    message?: string;
    child?: string;
    queue?: string;
    difference?: { text: string };
    error?: { code: string };
    id?: string;
    amount?: { children?: number };
    budget?: { used?: { children?: number } };
  };
}

const ENDS = new Set(['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1']);
const INDEX_MS = 60_000;

export async function checkRuns(stage: Stage, ended: readonly Ended[]): Promise<{ broken: string[]; events: number }> {
  const wanted = ended.filter(({ state }) => state !== 'stuck').map(({ case: { run } }) => run);
  let record = new Map<string, RunEvent[]>();
  const missing = await eventually(
    async () => {
      record = await recordOf(stage.people.person);
      return wanted.every((run) => record.get(run)?.some(isEnd)) && unfinished(record).length === 0;
    },
    { timeoutMs: INDEX_MS, everyMs: 1_000, what: 'every run has its end in the record' },
  ).then(
    () => [],
    () => unfinished(record).map((run) => `${run} was started and never ended: ${typesOf(record.get(run) ?? [])}`),
  );
  const performed = performedBy(stage.said());
  const broken = ended.flatMap((each) =>
    [...checkOutcome(each), ...checkTree(each.model, each, record, performed), ...checkBudget(each.model, record)].map(
      (what) => `seed ${each.case.seed}: ${what}`,
    ),
  );
  const events = [...record.values()].reduce((sum, { length }) => sum + length, 0);
  const streams = await checkStreams(stage.people.person, record);
  return { broken: [...missing, ...broken, ...checkNarrow(record), ...streams.broken], events };
}

function checkOutcome({ case: each, model, state, outcome }: Ended): string[] {
  if (state === 'stuck') return [`${each.run} did not end`];
  if (state === 'cancelled' && each.cancelAfterMs !== undefined) return [];
  if (model.allows(outcome)) return [];
  return [`${each.run} came to ${JSON.stringify(outcome)}, which its program cannot: ${JSON.stringify(each.program)}`];
}

/** A run and all below it. */
function checkTree(
  model: Model,
  root: Ended,
  record: ReadonlyMap<string, readonly RunEvent[]>,
  performed: ReadonlyMap<string, ReadonlySet<number>>,
): string[] {
  const events = record.get(model.run);
  const below = [...model.children.values()].flatMap((child) => checkTree(child, root, record, performed));
  if (!events) return below; // a child that was never reached
  return [...checkEvents(model.run, events), ...checkSteps(model, events, performed), ...below];
}

/** What a run with limits has counted is what was started below it, each once, whatever was killed meanwhile. */
function checkBudget(model: Model, record: ReadonlyMap<string, readonly RunEvent[]>): string[] {
  const events = record.get(model.run) ?? [];
  if (!events.some(({ type, data }) => type === 'run.started.v1' && data.budget)) return [];
  const counted = events.flatMap(({ type, data }) => (type === 'run.budget_reserved.v1' ? [data.id as string] : []));
  const uncounted = startedBelow(model, record).filter((run) => !counted.includes(run));
  const used = events.find(isEnd)?.data.budget?.used?.children ?? 0;
  return [
    ...(new Set(counted).size < counted.length ? [`${model.run} counted a child twice: ${counted.join(', ')}`] : []),
    ...uncounted.map((run) => `${run} was started, and ${model.run} has not counted it`),
    ...(used === counted.length
      ? []
      : [`${model.run} counted ${counted.length} children, and says ${used} at its end`]),
  ];
}

function startedBelow({ children }: Model, record: ReadonlyMap<string, readonly RunEvent[]>): string[] {
  return [...children].flatMap(([run, below]) => [...(record.has(run) ? [run] : []), ...startedBelow(below, record)]);
}

function checkEvents(run: string, events: readonly RunEvent[]): string[] {
  const broken: string[] = [];
  const count = (type: string): number => events.filter((event) => event.type === type).length;
  if (count('run.started.v1') !== 1) broken.push(`${run} was started ${count('run.started.v1')} times`);
  for (const { type, data } of events)
    if (type === 'run.paused.v1') broken.push(`${run} diverged, ${data.difference?.text}: ${typesOf(events)}`);
  const end = events.findIndex(isEnd);
  if (end >= 0 && end < events.length - 1) broken.push(`${run} goes on after its end: ${typesOf(events)}`);
  const once = ['run.step_completed.v1', 'run.message_received.v1', 'run.timer_fired.v1', 'run.child_ended.v1'];
  for (const type of once) {
    const all = events.filter((event) => event.type === type).map(keyOf);
    if (new Set(all).size < all.length) broken.push(`${run} has a ${type} twice: ${all.join(', ')}`);
  }
  return broken;
}

/** Attempts that are recorded, and those that were made, are the ones of the program and no others. */
function checkSteps(
  { run, steps }: Model,
  events: readonly RunEvent[],
  performed: ReadonlyMap<string, ReadonlySet<number>>,
): string[] {
  const cancelled = events.some(({ type }) => type === 'run.cancel_requested.v1');
  return [...steps].flatMap(([name, { attempts, completes }]) => {
    const of = events.filter(({ type, data }) => type.startsWith('run.step_') && outsideLoops(data.name) === name);
    const made = performed.get(`${run}/${name}#1`) ?? new Set();
    const numbers = of.map(({ data }) => data.attempt);
    const finished = of.some(({ type, data }) => type === 'run.step_completed.v1' || data.retryAt === undefined);
    const wrong =
      numbers.some((attempt, at) => attempt !== at + 1) ||
      (finished && !cancelled && (of.length !== attempts || of.at(-1)?.type.includes('completed') !== completes)) ||
      [...made].some((attempt) => attempt > attempts) ||
      of.some(({ data }) => data.error?.code !== 'run.cancelled' && !made.has(data.attempt as number));
    const told = `recorded ${of.map(({ type, data }) => `${type}#${data.attempt}`).join(', ')}; made ${[...made].join()}`;
    return wrong ? [`step ${name} of ${run}, ${attempts} attempts: ${told}`] : [];
  });
}

/** `step 7` of `loop[2]/step 7`. */
const outsideLoops = (name = ''): string => name.replace(/^.*\]\//, '');

/** Attempts that workers made, by idempotency key. */
function performedBy(lines: readonly string[]): Map<string, Set<number>> {
  const made = new Map<string, Set<number>>();
  for (const line of lines) {
    const [, attempt, key] = /^performed (\d+) (.+)$/.exec(line) ?? [];
    if (key === undefined) continue;
    const of = key.replace(/\/.*\]\//, '/');
    made.set(of, (made.get(of) ?? new Set()).add(Number(attempt)));
  }
  return made;
}

/** Events of all runs, in the order of the ledger. */
async function recordOf(person: Rest): Promise<Map<string, RunEvent[]>> {
  const runs = new Map<string, RunEvent[]>();
  for (let pageToken = ''; ;) {
    const query = new URLSearchParams({ type: 'run.*', ascending: 'true', page_size: '1000', page_token: pageToken });
    const page = await person.get<{ events?: { event: RunEvent }[]; nextPageToken?: string }>(
      `/v1/audit/events?${query}`,
    );
    for (const { event } of page.events ?? []) {
      const known = runs.get(event.subject);
      if (known) known.push(event);
      else runs.set(event.subject, [event]);
    }
    if (!page.nextPageToken) return runs;
    pageToken = page.nextPageToken;
  }
}

function unfinished(record: ReadonlyMap<string, readonly RunEvent[]>): string[] {
  return [...record].flatMap(([run, events]) => (events.some(isEnd) ? [] : [run]));
}

const isEnd = ({ type }: RunEvent): boolean => ENDS.has(type);
const keyOf = ({ data }: RunEvent): string => `${data.name ?? data.message ?? data.child}/${data.occurrence ?? 1}`;
const typesOf = (events: readonly RunEvent[]): string => events.map(({ type }) => type.slice(4, -3)).join(' ');
