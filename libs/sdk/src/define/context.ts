import type { webcrypto } from 'node:crypto';
import type { Run, StartOptions } from '../client/run.js';
import type { Sandbox, SandboxOptions } from '../sandbox/sandbox.js';
import type { AttributeChanges } from './attributes.js';
import type { Answers, Asked, HandleOptions, Said } from './answers.js';
import type { Stored } from '../codec/stored.js';
import type { Duration } from './duration.js';
import type { Amount, Spending } from './limits.js';
import type { Out, Schema } from './schema.js';
import type { Tool } from './tool.js';
import type { Messages, Retry, Workflow } from './workflow.js';

/** Where a workflow's and a step's words go. */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** For everything that is awaited. `timeout` is of this call, always. */
export interface CallOptions {
  signal?: AbortSignal;
  timeout?: Duration;
}

/** What your code gets in a step or a tool. */
export interface StepContext {
  /** Aborts when the run is cancelled, the time of this attempt is over or the worker must stop. Pass it on. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for every attempt of this step of this run: give it to whatever you call. */
  readonly idempotencyKey: string;
  readonly log: Logger;
  /**
   * Says that the step is alive, and how far it is: shown to who looks at the run, and given to the next attempt. Call it as often as you like.
   * @param progress plain data of at most 4 KiB; without it what was said before stays
   */
  heartbeat(progress?: unknown): void;
  /**
   * Tells those who watch the run (`run.stream()`) something at once: a token, a line of a log. It is held for a while beside the record and is not part of it:
   * what counts is what the step returns, and what a failed attempt wrote is superseded. Nobody who watches can hold the step up.
   * @param chunk plain data of at most 64 KiB
   * @returns when there is room for more. Whoever does not wait for that loses the oldest chunks above 1 MiB, and those who watch are told how many
   */
  write(chunk: unknown): Promise<void>;
  /**
   * Takes money and tokens out of the run's budget, before they are spent; `settle` says afterwards what it was. Of a run without limits nothing is
   * counted. Where it does not fit the step is given up and waits until a person grants more: do not catch that.
   * @throws WritError `run.budget_exhausted`
   */
  spend(amount: Amount): Promise<Spending>;
  /** What the attempt before this one said last with `heartbeat`; undefined where nobody remembers. It is a hint, held in memory and not in the record. */
  readonly progress: unknown;
}

/** The answer of a person to `ctx.ask`. */
export interface Answer<T> {
  readonly value: T;
  /** The person. */
  readonly by: string;
  readonly at: Date;
  readonly decisionId: string;
}

/** What can be done inside a run and from outside, with the same words. */
export interface Capabilities {
  /** Starts a run; inside a run, a child of it. */
  start<I, O, M extends Messages, Q extends Answers, U extends Answers>(
    def: Workflow<I, O, M, Q, U>,
    input: I,
    opts?: StartOptions<M>,
  ): Promise<Run<O, M, Q, U>>;
  /** Creates a Linux environment; inside a run it ends with the run at the latest. */
  sandbox(opts?: SandboxOptions): Promise<Sandbox>;
}

/** How a step is run. */
export interface StepOptions<T> {
  /** Gives the step up: aborts the signal of its code, and nothing is tried again. */
  signal?: AbortSignal;
  retry?: Retry;
  /** Of one attempt. */
  timeout?: Duration;
  /**
   * The longest silence. A step that does not call `heartbeat` for so long has failed with `run.step_lost` and is tried again by its policy; where its
   * whole worker is silent, on another one, and what the first one still brings is refused.
   */
  heartbeat?: Duration;
  /** Takes the step back when the run fails or is cancelled after it succeeded; last step first. */
  undo?: Undo<T> | { run: Undo<T>; retry?: Retry; timeout?: Duration };
}

/**
 * Takes a step back. It is a step itself, `undo <name>/<occurrence>`: recorded, tried again by a policy of its own (by default 5 attempts of at most 5
 * minutes each), and carried on by another worker if this one dies. A cancel, also a second one, does not stop it and its deadline does not count for it.
 */
export type Undo<T> = (value: T, ctx: StepContext) => Promise<void>;

/** What is left of a step's value: of a stream of bytes (a `ReadableStream`, an async generator) the handle of what was stored, up to 1 GiB. */
export type Kept<T> = T extends AsyncIterable<Uint8Array> ? Stored : T;

/** What a turn of a loop gives. `checkpoint` begins a generation now, as continue-as-new does; without it the engine chooses when. */
export type Turned<S, R> = { readonly next: S; readonly checkpoint?: boolean } | { readonly done: R };

export interface LoopOptions {
  /** Names what it records; `loop` by default. */
  name?: string;
}

/** Others who may decide, after a time. */
export interface Escalation {
  after: Duration;
  to: readonly string[];
}

/** A question to people. */
export interface Question<S extends Schema> {
  title: string;
  /** Whatever helps to decide; shown as it is. */
  detail?: unknown;
  /** Of the answer; without it the answer is `true`. */
  schema?: S;
  /** Persons (`psn_…`) and groups (`group:support`); default: whoever may decide approvals. */
  approvers?: readonly string[];
  /** When they are reminded, after it was asked. */
  remind?: Duration | Duration[];
  /** To whom it comes beside them when nobody has decided by then. */
  escalate?: Escalation | Escalation[];
  timeout?: Duration;
  /** Gives the question up. */
  signal?: AbortSignal;
}

/**
 * What a workflow works with. Everything awaited here is recorded, and on replay answered from the record.
 *
 * Whatever takes a `signal` can be given up by it, most often by an `AbortController` that the workflow makes: it then rejects with the signal's reason. That
 * is recorded too. If it came true before the abort was recorded it resolves all the same: the ledger decides which was first, the same on replay.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no messages at all, not "any object"
export interface Context<M extends Messages = {}, Q extends Answers = {}, U extends Answers = {}> extends Capabilities {
  readonly runId: string;
  /** Aborts when the run is cancelled. */
  readonly signal: AbortSignal;
  /** Silent while recorded results are replayed. */
  readonly log: Logger;
  /** Time of the last recorded event: the same on replay. */
  readonly now: Date;
  /** Seeded per run: the same on replay. Not for secrets. */
  readonly crypto: Pick<webcrypto.Crypto, 'randomUUID' | 'getRandomValues'>;
  /**
   * Runs own code once. Its result is in the ledger before the next line runs.
   * @throws what `fn` threw, after its last attempt
   */
  step<T>(name: string, fn: (ctx: StepContext) => T | Promise<T>, opts?: StepOptions<Kept<T>>): Promise<Kept<T>>;
  /**
   * Calls a tool: policy, approval where policy asks for one, intent, act, outcome.
   * @throws DeniedError with the decision
   */
  call<I, O>(tool: Tool<I, O>, input: I, opts?: CallOptions & { name?: string }): Promise<O>;
  /** Calls an MCP tool by its name, `<server>/<tool>`. */
  call(tool: string, input: unknown, opts?: CallOptions & { name?: string }): Promise<unknown>;
  /**
   * The next message of this name, in the order they were sent; one that came earlier is taken at once.
   * @throws TimeoutError `run.wait_timeout`
   */
  wait<K extends keyof M & string>(message: K, opts?: CallOptions): Promise<Out<M[K]>>;
  /**
   * Asks people and waits for the answer.
   * @throws DeniedError where a person said no; TimeoutError `approval.expired` where nobody said anything
   */
  ask<S extends Schema = Schema<unknown, true>>(question: Question<S>): Promise<Answer<Out<S>>>;
  /**
   * Waits for several children at once: the run goes on once, not with each of them. Gives what they gave, in their order.
   * @param opts `need`: how many must succeed, by default all. What has not succeeded by then is undefined. 0: until all have ended, however they did
   * @throws the error of the child with whose end it became impossible; TimeoutError `run.result_timeout`
   */
  join<const R extends readonly Run<unknown>[]>(
    children: R,
    opts?: CallOptions & { need?: undefined },
  ): Promise<{ -readonly [K in keyof R]: R[K] extends Run<infer O> ? O : never }>;
  join<const R extends readonly Run<unknown>[]>(
    children: R,
    opts: CallOptions & { need: number },
  ): Promise<{ -readonly [K in keyof R]: (R[K] extends Run<infer O> ? O : never) | undefined }>;
  sleep(until: Duration | Date, opts?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Whether this run takes the new way, where the code was changed under runs that go on: `if (ctx.patched('count-all')) … else …`. Runs that come here for
   * the first time do, and it is recorded with them; a run whose record went by here without it keeps the old way, for good and on every replay. Once no
   * run on the old way is left, remove it together with the call: the mark that other runs have is then passed over.
   */
  patched(id: string): boolean;
  /**
   * Calls `turn` again and again, each time with the state that the last call gave as `next`, until one says `done`. A loop may go on for ever: when its
   * journal has become long the engine begins a *generation*, that is, it records the state and forgets the turns, and a run is rebuilt from there. So a turn
   * gets everything it needs by its state, by what was known before the loop, and by what it asks for itself. What it leaves running ends before that.
   *
   * Messages, children and timers of the run outlive generations. A child of an earlier turn is had again by `ctx.start` with its `id` and `onConflict:
   * 'attach'`. Steps of a turn that is over are not taken back any more when the run fails (`undo`).
   * @param state kept like every recorded value: what cannot be is an error of the first turn
   */
  loop<S, R = never>(state: S, turn: (state: S) => Promise<Turned<NoInfer<S>, R>>, opts?: LoopOptions): Promise<R>;
  /**
   * Answers a query from here on. The function is called while nothing else of the run goes on, must answer at once, and may only look: nothing of it
   * is recorded.
   */
  handle<K extends keyof Q & string>(query: K, answer: (input: Asked<Q[K]>) => Said<Q[K]>): void;
  /**
   * Handles updates of this name from here on, in the order in which they were accepted, one at a time: while one is handled none is accepted. The handler
   * is part of the workflow, with steps and waits that are recorded. A run that returns ends when what it accepted is answered.
   */
  handle<K extends keyof U & string>(
    update: K,
    handler: (input: Asked<U[K]>) => Said<U[K]> | Promise<Said<U[K]>>,
    opts?: HandleOptions<Asked<U[K]>>,
  ): void;
  /**
   * Sets attributes of the run, by which `writ.runs` and `writ run list` find it; null takes one away, the others stay. A run keeps at most 32.
   * @throws WritError `run.bad_attributes`
   */
  set(attributes: AttributeChanges): Promise<void>;
  /** Tells those who watch the run how it goes. */
  emit(name: string, data: unknown): Promise<void>;
}
