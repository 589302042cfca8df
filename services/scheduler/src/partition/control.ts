import type { Json, LedgerEvent } from '@writ/ledger/domain';
import type { Amount, SpendsFrom } from '../run/budget.events.js';
import type { Beat } from '../run/run.commands.js';
import type { Poke, QueueFacts, QueueQuestion, SlotsAnswer, SlotsRequest } from '../queue/conversation.js';
import type { Standstill } from '../why/run-facts.js';
import type { RunState } from '../run/run-record.js';

/** What an owner knows of a run without reading. */
export interface RunFacts {
  state: RunState;
  /** A worker has it. */
  live: boolean;
  /** Which, and under which attempt. */
  worker?: { session: string; attempt: string };
  digest: string;
  workflow: string;
  queue: string;
  agent: string;
  parent: string | undefined;
  onBehalfOf: readonly string[];
  depth: number;
  /** Commits that hold its events; of a run that has ended, the last one. */
  commits: number[];
  budget?: BudgetFacts;
  /** What it still takes back after a cancel. */
  undoing?: string[];
  /** What steps under way said last about themselves. */
  progress?: BeatFacts[];
}

/** A sign of life of a step, as it is shown. */
export interface BeatFacts {
  step: string;
  attempt: number;
  timeMs: number;
  progress?: Json;
}

/** What a run may spend; `own` where it has limits of its own. */
export interface BudgetFacts extends SpendsFrom {
  own?: {
    limits: Amount;
    used: Amount;
    reserved: Amount;
    approval?: string;
    children: [run: string, used: Amount, reserved: Amount][];
  };
}

/** What of it a child inherits. */
export function spendsFrom({ own: _, ...budget }: BudgetFacts): SpendsFrom {
  return budget;
}

/** A run that another replica waits for. */
export type WatchedRun = readonly [tenant: string, run: string];

/** Questions and news for the owner of a partition that are no commands: nothing of them is recorded. */
export type ControlRequest =
  | SlotsRequest
  | QueueQuestion
  | { type: 'standstill'; tenant: string; run: string }
  | Poke
  | { type: 'describe'; tenant: string; run: string }
  /** Answers at the end of the run, or after `waitMs` with nothing. */
  | { type: 'await'; tenant: string; run: string; waitMs: number }
  /** Answers when the update has been answered, or after `waitMs`. */
  | { type: 'update'; tenant: string; run: string; name: string; waitMs: number }
  /**
   * The ends of these and all runs added before under the same name of a `watch`, together. `from`: so many were taken. Answers when there
   * are some, or after `waitMs`.
   */
  | { type: 'watch'; watch: string; first: boolean; add: WatchedRun[]; from: number; waitMs: number }
  | { type: 'idle'; tenant: string; run: string; attempt: string; entries: number }
  | { type: 'beats'; tenant: string; run: string; attempt: string; beats: Beat[] }
  | { type: 'released'; tenant: string; dropped: { run: string; attempt: string }[] };

export interface ControlAnswers {
  describe: { facts: RunFacts | undefined };
  /** `end`: the event that ended it. Facts without an end: it goes on. Neither: the owner does not know the run. */
  await: { facts: RunFacts | undefined; end?: LedgerEvent };
  update: { state: 'no run' | 'unknown' | 'accepted' | 'answered' | 'ended'; event?: LedgerEvent };
  /** Not `known`: the owner has never heard of the watch, and has to be told all of it. Null: the owner does not know the run. */
  watch: { known: boolean; ends: [tenant: string, run: string, end: LedgerEvent | null][]; next: number };
  slots: SlotsAnswer;
  queue: QueueFacts;
  standstill: { standstill: Standstill | undefined };
  poke: object;
  idle: object;
  beats: object;
  released: object;
}
