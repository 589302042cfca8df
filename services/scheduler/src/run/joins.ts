import type { EntryOutcome } from './entry.js';
import type { Failure, RunEventData } from './run.events.js';
import type { Open, RunRecord } from './run-record.js';

/** A wait for several children, which is over once, whatever their number. */
export interface Join {
  readonly children: readonly string[];
  /** So many must succeed; 0: all have ended, however they did. */
  readonly need: number;
  succeeded: number;
  failed: number;
}

type Ended = RunEventData<'run.child_ended.v1'>;

/** A wait that begins now: some of the children may have ended. */
export function joinOf({ children }: RunRecord, of: { children: string[]; need: number }): Join {
  const states = statesOf(children, of.children);
  const succeeded = states.filter((state) => state === 'succeeded').length;
  const failed = states.filter((state) => state !== undefined).length - succeeded;
  return { ...of, succeeded, failed };
}

/** Takes account of a child that has ended. @returns the waits that are over by it */
export function joinsOver(run: RunRecord, ended: Ended): [Open, EntryOutcome][] {
  return run.opens.flatMap((open): [Open, EntryOutcome][] => {
    const { join } = open;
    if (!join?.children.includes(ended.child)) return [];
    if (ended.state === 'succeeded') join.succeeded++;
    else join.failed++;
    const outcome = joinOutcome(run, join, ended);
    return outcome ? [[open, outcome]] : [];
  });
}

/** How the wait is over, if it is; `last` is the child whose end was heard of now. */
export function joinOutcome({ children }: RunRecord, join: Join, last?: Ended): EntryOutcome | undefined {
  const { need, succeeded, failed } = join;
  const all = join.children.length;
  if (need > 0 && failed > all - need) return { type: 'failed', error: failureOf(last ?? lastFailed(children, join)) };
  if (need > 0 ? succeeded < need : succeeded + failed < all) return undefined;
  return { type: 'joined', ends: statesOf(children, join.children).map((state) => state ?? null) };
}

/** The error of a child that did not succeed. */
export function failureOf({ child, error }: Pick<Ended, 'child' | 'error'>): Failure {
  return error ?? { code: 'run.cancelled', message: `run ${child} was cancelled` };
}

function statesOf(children: RunRecord['children'], wanted: readonly string[]): (Ended['state'] | undefined)[] {
  const known = new Map(children.map(({ id, outcome }) => [id, outcome?.state]));
  return wanted.map((id) => known.get(id));
}

/** In their order the one with which it had become impossible. */
function lastFailed(children: RunRecord['children'], { children: wanted, need }: Join): Pick<Ended, 'child' | 'error'> {
  const failed = wanted.flatMap((id) => {
    const outcome = children.find((child) => child.id === id)?.outcome;
    return outcome && outcome.state !== 'succeeded' ? [outcome] : [];
  });
  return failed[wanted.length - need] ?? { child: wanted[0] ?? '' };
}

/** For the version of what evolves. */
export const joinEvolving = [joinOf, joinsOver, joinOutcome, statesOf, lastFailed, failureOf];
