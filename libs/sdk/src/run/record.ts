/**
 * The vocabulary of the worker protocol (proto/writ/worker/v1), as plain values: what the executor of a run and a scheduler say to each other.
 * The scheduler is the real one behind a stream, or the one in process of `@writ/sdk/testing`; the executor cannot tell.
 */

import type { CountedLimits } from '../define/limits.js';
import type { AttributeChanges, Attributes } from '../define/attributes.js';

/** JSON of a value as the codec makes it; `undefined` is the value undefined. */
export type Bytes = Uint8Array | undefined;

/** Of a command; compared on replay. */
export type Kind =
  | 'step'
  | 'call'
  | 'sleep'
  | 'message'
  | 'approval'
  | 'child'
  | 'result'
  | 'emit'
  | 'cancel'
  | 'patch'
  | 'set'
  | 'loop'
  | 'update';

/** A command is known by name and occurrence: counted per run and name, over all kinds, from 1, in the order in which they are issued. */
export interface Key {
  readonly kind: Kind;
  readonly name: string;
  readonly occurrence: number;
}

/** An error on the wire and in the ledger. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** JSON object. */
  readonly details?: Bytes;
  readonly stack?: string;
}

/** Numbers of a retry policy; what is absent is the scheduler's default. */
export interface RetryPolicy {
  readonly attempts?: number;
  readonly delayMs?: number;
  readonly factor?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: number;
  readonly incrementMs?: number;
  readonly totalMs?: number;
  /** When nothing is left to try, wait for a person. */
  readonly pause?: boolean;
}

/** Rights of a child. */
export interface Grant {
  readonly actions: readonly string[];
  readonly resources?: readonly string[];
}

/** What only the scheduler can make come true. A timeout of 0 is none. */
export type Wish =
  | { readonly type: 'sleep'; readonly durationMs: number }
  | { readonly type: 'sleep-until'; readonly atMs: number }
  | { readonly type: 'wait'; readonly message: string; readonly timeoutMs: number }
  | {
      readonly type: 'ask';
      readonly timeoutMs: number;
      readonly question: {
        title: string;
        detail: Bytes;
        schema: Bytes;
        approvers: readonly string[];
        remindMs?: readonly number[];
        escalate?: readonly { afterMs: number; to: readonly string[] }[];
      };
    }
  | { readonly type: 'approval'; readonly timeoutMs: number; readonly approvalId: string }
  | {
      readonly type: 'start';
      readonly runId: string;
      readonly workflow: string;
      readonly input: Bytes;
      readonly queue: string;
      readonly version?: string;
      /** Only workers of that version get it. */
      readonly pinned?: boolean;
      /** Its place in a queue with limits. */
      readonly key: string;
      readonly priority: number;
      readonly grant?: readonly Grant[];
      readonly limits?: CountedLimits;
      readonly attributes?: Attributes;
      readonly attach: boolean;
      readonly cancelWithParent?: boolean;
    }
  | { readonly type: 'result'; readonly runId: string; readonly timeoutMs: number }
  /** `need`: so many must succeed; 0: all have ended, however. */
  | { readonly type: 'join'; readonly runIds: readonly string[]; readonly need: number; readonly timeoutMs: number }
  | { readonly type: 'emit'; readonly value: Bytes }
  | { readonly type: 'patch' }
  | { readonly type: 'set'; readonly attributes: AttributeChanges }
  /** A loop begins a generation with this turn and state. */
  | { readonly type: 'loop'; readonly turn: number; readonly value: Bytes };

/** What the worker did itself. */
export type Done =
  | { readonly type: 'completed'; readonly attempt: number; readonly value: Bytes; readonly streamed?: number }
  | {
      readonly type: 'failed';
      /** How many chunks it has written for who watches. */
      readonly streamed?: number;
      readonly attempt: number;
      readonly error: Failure;
      readonly retryable: boolean;
      readonly policy: RetryPolicy;
      readonly retryAfterMs?: number;
    };

/** A sign of life of an attempt: not recorded. */
export interface Beat {
  readonly type: 'beat';
  readonly attempt: number;
  /** Longer silence frees the step; 0 is no limit. */
  readonly leaseMs: number;
  readonly policy: RetryPolicy;
  /** Absent: as said before. */
  readonly progress: Bytes;
}

/** The function waits for it no more; what comes true before this is recorded counts all the same. */
export interface Abort {
  readonly type: 'abort';
  readonly error: Failure;
}

/** One command, or news about it. */
export interface Command extends Key {
  readonly what: Wish | Done | Beat | Abort;
}

/** What a person said. */
export interface PersonAnswer {
  readonly approved: boolean;
  readonly value: Bytes;
  readonly by: string;
  readonly atMs: number;
  readonly approvalId: string;
  readonly reason: string;
}

/** How a child ended. */
export type ChildEnd =
  { readonly type: 'completed'; readonly value: Bytes } | { readonly type: 'failed'; readonly error: Failure };

/** What came true of the command with this key. `retry` is no end and not in a journal. */
export type Outcome =
  | { readonly type: 'recorded' }
  | { readonly type: 'completed'; readonly value: Bytes }
  | { readonly type: 'failed'; readonly error: Failure }
  | { readonly type: 'fired' }
  | { readonly type: 'timed_out' }
  | { readonly type: 'retry'; readonly attempt: number }
  | { readonly type: 'started'; readonly runId: string }
  | { readonly type: 'answered'; readonly answer: PersonAnswer }
  /** In a journal only: the loop goes on with this turn and state. */
  | { readonly type: 'loop'; readonly turn: number; readonly value: Bytes }
  | { readonly type: 'cancel'; readonly reason: string }
  /** Children that were waited for together, in their order; nothing of those that go on. */
  | { readonly type: 'joined'; readonly ends: readonly (ChildEnd | undefined)[] }
  /** An update: no end, it is handled from here on. */
  | { readonly type: 'accepted'; readonly update: string; readonly value: Bytes };

/** One line of a run's journal. */
export interface Entry extends Key {
  readonly timeMs: number;
  readonly outcome: Outcome;
}

/** A command that was reported and has no end yet. */
export interface Pending extends Key {
  /** Attempts that failed so far. */
  readonly failures: number;
  /** The next attempt is to be made now; no `retry` comes for it. */
  readonly due: boolean;
}

/** A run, handed to an executor. */
export interface Activation {
  /** Names this assignment. */
  readonly attempt: string;
  readonly runId: string;
  readonly workflow: string;
  readonly input: Bytes;
  readonly startedAtMs: number;
  readonly journal: readonly Entry[];
  /** The run has ended: nothing follows the record. */
  readonly ended?: boolean;
  readonly pending: readonly Pending[];
  /** What earlier attempts said last about themselves, by `name#occurrence`. */
  readonly progress?: ReadonlyMap<string, Bytes>;
  readonly queue: string;
  /** Where the journal begins with what was recorded before, by an earlier life of the run or by another one. */
  readonly kept?: readonly KeptEntries[];
  /** Of a run that was restarted. */
  readonly life?: string;
}

/** The journal's entries up to here are of a life that was called so, and ended then. */
export interface KeptEntries {
  readonly life: string;
  readonly entries: number;
  readonly untilMs: number;
}

/** What was stopped by a cancellation, and what did not tell how it ended. */
export interface Receipt {
  readonly stopped: readonly string[];
  readonly undone: readonly string[];
  /** With what could not be taken back. */
  readonly outcomeUnknown: readonly string[];
}

/** One side of a divergence. */
export interface DivergentStep extends Key {
  readonly detail?: string;
}

/** The code does not take the way of the record. */
export interface Divergence {
  /** Index into the journal; its length for what comes after it. */
  readonly position: number;
  readonly expected?: DivergentStep;
  readonly actual?: DivergentStep;
  /** One sentence. */
  readonly text: string;
  /** The place as a diff of some lines: what both have, `-` what only the record has, `+` what only the code asked for. */
  readonly diff?: string;
}

/** How a run ends under this attempt. */
export type RunEnd =
  | { readonly type: 'completed'; readonly value: Bytes }
  | { readonly type: 'failed'; readonly error: Failure; readonly receipt?: Receipt }
  | { readonly type: 'cancelled'; readonly receipt: Receipt }
  | { readonly type: 'diverged'; readonly divergence: Divergence };

/** How a run ended that is replayed; `terminated`: over its function's head, wherever that stood. */
export type RecordedEnd = RunEnd | { readonly type: 'terminated' };

/** What happened in one run, in order. */
export interface RunReport {
  readonly commands: readonly Command[];
  readonly end?: RunEnd;
  /** Everything that the function awaits is the scheduler's to answer. */
  readonly idle: boolean;
  /** Entries that came after the activation and are taken account of here. */
  readonly entries: number;
  /** The function has ended badly, and these steps take back what it did. */
  readonly undoing?: readonly string[];
}

/** In front of the number of a turn in the names of what the turns of a loop ask for: `loop[`, `loop#2[`. */
export const loopPrefix = ({ name, occurrence }: { name: string; occurrence: number }) =>
  occurrence === 1 ? `${name}[` : `${name}#${occurrence}[`;

/** `name#2`, for the maps and for people. */
export const keyText = (key: { name: string; occurrence: number }) => `${key.name}#${key.occurrence}`;
