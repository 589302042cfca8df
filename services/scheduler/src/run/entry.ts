import type { CommandKind, Content, Failure } from './run.events.js';

/** How a command came out, as its worker is told. */
export type EntryOutcome =
  /** A value that the worker itself reported, or the data of an emit. */
  | { type: 'own'; content: Content }
  | { type: 'completed'; content: Content }
  | { type: 'failed'; error: Failure }
  | { type: 'fired' }
  | { type: 'timedOut' }
  | { type: 'retry'; attempt: number }
  | { type: 'started'; child: string }
  | { type: 'answered'; approval: string; approved: boolean; by: string; reason: string; content: Content }
  /** A loop goes on with this turn and its state. */
  | { type: 'loop'; turn: number; content: Content }
  | { type: 'cancel'; reason: string }
  /** Children that were waited for together, in their order; null of those that go on. */
  | { type: 'joined'; ends: ('succeeded' | 'failed' | 'cancelled' | null)[] }
  /** An update, to be handled from here on. */
  | { type: 'accepted'; update: string; content: Content };

/** One thing that came true in a run, in the order of the ledger. */
export interface Entry {
  kind: CommandKind | 'cancel';
  name: string;
  occurrence: number;
  timeMs: number;
  outcome: EntryOutcome;
}

/** `lost`: the worker was silent for too long. */
export type EvictReason = 'ended' | 'stale' | 'paused' | 'bad_report' | 'moved' | 'revoked' | 'lost';
