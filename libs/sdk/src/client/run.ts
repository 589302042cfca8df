import type { CallOptions } from '../define/context.js';
import type { Attributes } from '../define/attributes.js';
import type { Answers, AskArguments, Told } from '../define/answers.js';
import type { Limits } from '../define/limits.js';
import type { In } from '../define/schema.js';
import type { Messages } from '../define/workflow.js';
import type { LedgerEvent } from './event.js';

/** One entry of RFC 9396 `authorization_details`: what a run may do, both with `*` at the end as a prefix. */
export interface Capability {
  readonly type?: 'writ';
  /** `run.start`, `tool.*`, `*`. */
  readonly actions: readonly string[];
  /** Literal names or prefixes: `files/write_file`, `memory:repo/*`; absent: every resource. */
  readonly resources?: readonly string[];
}

/** How a run is started. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any workflow
export interface StartOptions<M extends Messages = any> {
  /** Chosen by you, 1 to 200 characters; makes a repeated start harmless. */
  id?: string;
  /** What to do when the id is taken: `fail` (default, `run.conflict`) or give the run that is there. */
  onConflict?: 'fail' | 'attach';
  /**
   * A message that goes with the start, in the same commit; with `onConflict: 'attach'` it is sent to the run that is there. A repeat under the same
   * `idempotencyKey` sends it once.
   */
  send?: { [K in keyof M & string]: { message: K; data: In<M[K]>; idempotencyKey?: string } }[keyof M & string];
  /**
   * Of a child: what becomes of it when the run that started it ends first. `detach` (default): it goes on. `cancel`: it is cancelled. `wait`: its parent
   * ends after it. A cancel of the parent reaches every child that it started.
   */
  onParentEnd?: 'detach' | 'cancel' | 'wait';
  /** Of workers; default `default`. With limits (`writ queue set`) it also says how many of its runs go on at once, and how fast they begin. */
  queue?: string;
  /** In a queue with limits: what the run shares its key's limits and turn with. Default: what the queue takes from the input. */
  key?: string;
  /** In a queue with limits: -9 to 9, the higher goes first; default 0. */
  priority?: number;
  /** By which the run is found, at most 16. They are no part of what makes two starts the same. */
  attributes?: Attributes;
  /** Not before. */
  at?: Date;
  /**
   * Begins with the record of another run of the workflow: up to this step, call or wait (`load/1`), or with all of it. What is recorded there is not done
   * again, what follows is done by this run, with its own input.
   */
  fork?: { run: string; after?: string };
  onBehalfOf?: string;
  /** What it and all that it starts may spend; inside a run they are reserved from its own. Default: those of the workflow. */
  limits?: Limits;
  /** Narrower rights for this run; must be within what the starter holds. Absent: all of it. */
  grant?: readonly Capability[];
  signal?: AbortSignal;
}

/** What a cancellation reached. */
export interface CancelReceipt {
  /** What was going on: `step lint/1`, `sandbox sbx_…`, ids of children. */
  readonly stopped: readonly string[];
  /** Steps that were taken back, last first: `step book/1`. */
  readonly undone: readonly string[];
  /** What may or may not have happened, and what could not be taken back: `undo book/1`. */
  readonly outcomeUnknown: readonly string[];
}

/** What a strict replay found. */
export interface ReplayReport {
  readonly same: boolean;
  /** The place of the first difference, some lines for people: `-` the record, `+` the code. */
  readonly diff?: string;
  readonly firstDifference?: { readonly event: string; readonly expected: unknown; readonly actual: unknown };
}

/** What a step of a run says to those who watch, or what became of it. `cursor` goes on behind it. */
export type RunDelta = { readonly cursor: string; /** `draft/1` */ readonly step: string; readonly attempt: number } & (
  | { readonly type: 'data'; readonly data: unknown }
  /** The attempt begins to write: what this step wrote before is superseded. */
  | { readonly type: 'started' }
  /** Its result is recorded. */
  | { readonly type: 'completed' }
  /** What the attempt wrote is superseded. */
  | { readonly type: 'failed' }
  /** So many are not there: lost on the way, or not held any more. Of the whole run where no step is named. */
  | { readonly type: 'missed'; readonly chunks: number }
  /** The run has ended, and nothing follows. */
  | { readonly type: 'ended'; readonly state: 'succeeded' | 'failed' | 'cancelled' }
);

/** A handle on a run: a value without a connection of its own, and not a promise. Iterating gives its events from the first one. */
/* eslint-disable @typescript-eslint/no-explicit-any -- a run whose messages are not known takes any */
export interface Run<
  O = unknown,
  M extends Messages = any,
  Q extends Answers = any,
  U extends Answers = any,
> extends AsyncIterable<LedgerEvent> {
  /* eslint-enable @typescript-eslint/no-explicit-any */
  readonly id: string;
  /**
   * Waits for the end.
   * @throws the error that the run failed with; CancelledError
   */
  result(opts?: CallOptions): Promise<O>;
  /** Sends a message: buffered, in order, kept until the run takes it. */
  send<K extends keyof M & string>(
    message: K,
    data: In<M[K]>,
    opts?: { idempotencyKey?: string; signal?: AbortSignal },
  ): Promise<void>;
  /**
   * Asks the run something. It is answered where it lives, else by a replay of its record, also when it has ended; nothing is recorded.
   * @throws WritError `run.no_worker` where no worker has its code; `run.no_handler`; what the code threw
   */
  query<K extends keyof Q & string>(
    query: K,
    ...args: AskArguments<Q[K], { signal?: AbortSignal }>
  ): Promise<Told<Q[K]>>;
  /**
   * Asks the run to do something, and waits until it is done. The same `idempotencyKey` is the same update, done once.
   * @throws what the run's code refused it with, before anything was recorded, or failed with; WritError `run.ended`
   */
  update<K extends keyof U & string>(
    update: K,
    ...args: AskArguments<U[K], CallOptions & { idempotencyKey?: string }>
  ): Promise<Told<U[K]>>;
  /** Stops the run and all that it owns; `force` does not wait for its clean-up. */
  cancel(opts?: { reason?: string; force?: boolean; signal?: AbortSignal }): Promise<CancelReceipt>;
  /** No worker has the run until it is resumed. What is under way is given up and made anew then; messages are kept, timers run on. */
  pause(opts?: { reason?: string; signal?: AbortSignal }): Promise<void>;
  /** Lets a paused run go on: one that was paused by `pause`, one whose code diverged, or one with a step that is exhausted and waits for a person. @throws WritError `run.not_paused` */
  resume(opts?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Lets a run that has ended, or is paused, go on from a step, call or wait (`charge/1`): what was recorded before it is kept, what follows is done anew
   * by the code that the workers have now. Messages that came are there again; time and randomness are new from there on.
   * @returns effects after that point, which may happen once more: `step charge/1`, `run run_…`
   * @throws WritError `run.not_restartable` for a run that goes on, `run.no_such_step`, `run.cannot_cut`
   */
  restart(
    from: string,
    opts?: { reason?: string; signal?: AbortSignal },
  ): Promise<{ readonly dropped: readonly string[] }>;
  /**
   * What its steps write with `ctx.write`, from the first that is still held or behind a cursor, then live, until the run has ended. Goes on by itself
   * where a connection broke.
   */
  stream(opts?: { after?: string; signal?: AbortSignal }): AsyncIterable<RunDelta>;
  /** Re-executes the run from its record, without any effect, and compares. */
  replay(opts?: { code?: 'recorded' | 'current'; signal?: AbortSignal }): Promise<ReplayReport>;
}
