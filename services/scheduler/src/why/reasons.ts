import type { Blocked } from '../queue/allocator.js';
import type { Demand } from '../partition/dispatcher.js';
import type { QueueFacts } from '../queue/conversation.js';
import type { Limits, Rate } from '../queue/queue.events.js';
import type { Standstill, Waited } from './run-facts.js';

/** One thing that keeps a run from going on. */
export interface Reason {
  code: string;
  text: string;
  sinceMs?: number;
  untilMs?: number;
  /** Runs that have what it waits for. */
  runs?: readonly string[];
  ahead?: number;
}

/** What is known of a run beside what its owner knows. */
export interface Around {
  nowMs: number;
  /** When something was last recorded of it. */
  lastMs: number;
  /** Since when it waits for each thing, by {@link keyOfWait}. */
  since: ReadonlyMap<string, number>;
  /** Asked where the run needs a slot of its queue. */
  queue?: QueueFacts | undefined;
  /** Asked where it needs a worker: somebody offers to serve it. */
  served?: boolean | undefined;
}

const shown = 3;

export function keyOfWait({ name, occurrence }: { name: string; occurrence: number }): string {
  return `${occurrence} ${name}`;
}

/** Pure: why a run is not going on, in sentences; what keeps it first comes first. One that goes on says so. */
export function reasonsOf(run: Standstill, around: Around): Reason[] {
  const { lastMs, nowMs } = around;
  if (run.ended) return [{ code: 'ended', text: `It has ${run.state}.`, sinceMs: lastMs }];
  if (run.paused) return [pausedReason(run, lastMs)];
  const waits = run.opens.map((open) => waitReason(open, run, around)).filter((each) => each !== undefined);
  if (run.notBeforeMs > nowMs && run.state === 'queued')
    return [
      {
        code: 'start_time',
        text: `It is not to begin before ${at(run.notBeforeMs)}.`,
        sinceMs: lastMs,
        untilMs: run.notBeforeMs,
      },
    ];
  const due = run.opens.some(
    ({ failures, exhausted, untilMs }) => failures > 0 && exhausted === undefined && untilMs <= nowMs,
  );
  if (run.worker === 'none' && (run.ready || due))
    return [run.slotless ? queueReason(run, around) : workerReason(run, around), ...waits];
  if (run.worker === 'working' || waits.length === 0)
    return [{ code: 'working', text: 'It goes on: a worker has something to do for it.', sinceMs: lastMs }, ...waits];
  return waits;
}

function queueReason({ queue }: Standstill, { queue: facts, lastMs }: Around): Reason {
  const blocked = facts?.blocked;
  if (!facts || !blocked)
    return {
      code: 'handing_over',
      text: `Queue ${queue} lets it go on; it is on its way to a worker.`,
      sinceMs: lastMs,
    };
  const { by, sinceMs, holders, untilMs, ahead } = blocked;
  const about = {
    sinceMs,
    ...(untilMs !== undefined && { untilMs }),
    ...(holders.length > 0 && { runs: holders }),
    ahead,
  };
  if (blocked.counting)
    return {
      ...about,
      code: 'queue_counting',
      text: `The slots of queue ${queue} have a new owner, which is asking every partition what it has.`,
    };
  const line = ahead > 0 ? ` ${runs(ahead)} before it ${ahead === 1 ? 'waits' : 'wait'} too.` : '';
  return { ...about, code: codes[by], text: `${textOf(queue, facts.limits, blocked)}${line}` };
}

const codes: Record<Blocked['by'], string> = {
  concurrency: 'queue_concurrency',
  key: 'queue_key',
  rate: 'queue_rate',
  key_rate: 'queue_key_rate',
  nothing: 'handing_over',
};

function textOf(
  queue: string,
  { concurrency = 0, keyConcurrency = 0, rate, keyRate }: Limits,
  { by, holders, untilMs = 0 }: Blocked,
): string {
  switch (by) {
    case 'concurrency':
      return `Queue ${queue} lets ${runs(concurrency)} go on at once, and ${named(holders)} ${holders.length === 1 ? 'does' : 'do'}.`;
    case 'key':
      return `Queue ${queue} lets ${runs(keyConcurrency)} of one key go on until ${keyConcurrency === 1 ? 'it has' : 'they have'} ended, and ${named(holders)} ${holders.length === 1 ? 'has' : 'have'} its key.`;
    case 'rate':
      return `Queue ${queue} lets ${rateText(rate)} begin, and that is used up until ${at(untilMs)}.`;
    case 'key_rate':
      return `Queue ${queue} lets ${rateText(keyRate)} of one key begin, and that is used up until ${at(untilMs)}.`;
    case 'nothing':
      return `It is next in queue ${queue}.`;
  }
}

/** For people: why a run has no worker. */
export function nobodyServes({ workflow, queue, principals }: Omit<Demand, 'tenant'>): string {
  const [who = '', ...others] = principals;
  const whose = others.length > 0 ? `${who} or whom that acts for` : who;
  return `No worker of ${whose} with workflow ${workflow} is connected to queue ${queue}.`;
}

function workerReason(run: Standstill, { served, lastMs }: Around): Reason {
  const { workflow, queue } = run;
  if (served)
    return {
      code: 'workers_busy',
      text: `Workers with workflow ${workflow} serve queue ${queue}, and none has room.`,
      sinceMs: lastMs,
    };
  return { code: 'no_worker', text: nobodyServes(run), sinceMs: lastMs };
}

function pausedReason({ paused }: Standstill, sinceMs: number): Reason {
  const texts: Partial<Record<string, string>> = {
    diverged: 'It is paused: its code went another way than the record. `writ run get` has the difference.',
    requested: 'It is paused: somebody asked for that. `writ run resume` lets it go on.',
    budget: 'It is paused: its budget is used up, and somebody is asked for more.',
  };
  return { code: 'paused', text: texts[String(paused)] ?? `It is paused: ${String(paused)}.`, sinceMs };
}

/** Nothing for what it is doing itself. */
function waitReason(open: Waited, run: Standstill, { since, nowMs, lastMs }: Around): Reason | undefined {
  const { kind, name, occurrence, on = '', untilMs, failures, exhausted } = open;
  const sinceMs = since.get(keyOfWait(open)) ?? lastMs;
  const about = { sinceMs, ...(untilMs > 0 && { untilMs }) };
  const until = untilMs > 0 ? `, at most until ${at(untilMs)}` : '';
  switch (kind) {
    case 'sleep':
      return { ...about, code: 'timer', text: `It sleeps until ${at(untilMs)}.` };
    case 'message':
      return { ...about, code: 'message', text: `It waits for a message '${on}'${until}.` };
    case 'approval':
      return { ...about, code: 'approval', text: `It waits for the answer to ${on}${until}.` };
    case 'child': {
      const text =
        exhausted === undefined
          ? `It waits for its child ${on} to be started.`
          : `Its child ${on} is not started (${exhausted}); somebody is asked for more.`;
      return { ...about, code: exhausted === undefined ? 'child' : 'budget', text, runs: [on] };
    }
    case 'result':
      return { ...about, code: 'child', text: `It waits for its child ${on} to end${until}.`, runs: [on] };
    case 'step':
    case 'call': {
      const what = `${kind} ${name}/${occurrence}`;
      if (exhausted !== undefined)
        return {
          ...about,
          code: exhausted.startsWith('run.budget') ? 'budget' : 'exhausted',
          text: `Nothing is left to try of ${what} (${exhausted}); a person has to look at it.`,
        };
      if (failures === 0 || (untilMs <= nowMs && run.worker !== 'none')) return undefined;
      return {
        ...about,
        code: 'retry',
        text: `${what} has failed ${failures === 1 ? 'once' : `${failures} times`}; it is tried again at ${at(untilMs)}.`,
      };
    }
    default:
      return { ...about, code: kind, text: `It waits for ${kind} ${name}/${occurrence}${until}.` };
  }
}

function named(ids: readonly string[]): string {
  const some = ids.slice(0, shown).join(', ');
  return ids.length > shown ? `${some} and ${ids.length - shown} more` : some;
}

function runs(count: number): string {
  return count === 1 ? '1 run' : `${count} runs`;
}

function rateText(rate: Rate | undefined): string {
  if (!rate) return 'runs';
  const { count, periodMs } = rate;
  return `${runs(count)} in ${periodMs % 1000 === 0 ? `${periodMs / 1000} s` : `${periodMs} ms`}`;
}

function at(ms: number): string {
  return new Date(Math.ceil(ms)).toISOString();
}
