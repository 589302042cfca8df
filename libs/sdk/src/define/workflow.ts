import { WritError } from '../errors/errors.js';
import type { Answers } from './answers.js';
import type { Context } from './context.js';
import type { Duration } from './duration.js';
import type { Limits } from './limits.js';
import type { In, Out, Schema } from './schema.js';

/**
 * When and how often to try again. Defaults: 5 attempts, 1 s, doubled each time, at most 1 minute apart. The scheduler records when the next
 * attempt is due, so it is the same for every worker.
 */
export interface Retry {
  /** All attempts, the first included; `Infinity` has no limit. */
  attempts?: number;
  /** Before the second attempt; or how long to wait after this error, `false` for no more. The function is asked in the worker, once for each failure. */
  delay?: Duration | ((error: unknown, attempt: number) => Duration | false);
  /** What the delay is multiplied with each time; 1 keeps it constant. */
  factor?: number;
  /** What is added to the delay each time; with it `factor` is 1 unless given: the delays grow linearly. */
  increment?: Duration;
  maxDelay?: Duration;
  /** Up to this share of each delay, 0 to 1, is taken off, by chance: what failed together does not come again together. Default 0. */
  jitter?: number;
  /** No attempt begins later than this after the first failure. */
  within?: Duration;
  /** Errors that are not tried again, by their `code`, or by their `name` (`TypeError`) where they have none. `FatalError` never is. */
  except?: readonly string[];
  /** When nothing is left to try: `fail` (default), or `pause` until a person resumes the run, which begins the policy anew. */
  onExhausted?: 'fail' | 'pause';
}

/** Of a whole run: it fails when nothing is left to try. */
export type RunRetry = Omit<Retry, 'within' | 'onExhausted'>;

/** What may be sent to a run, by name. */
export type Messages = Record<string, Schema>;

/** A durable workflow: a value, registered nowhere; `serve` receives it, `start` names it. */
/* eslint-disable @typescript-eslint/no-explicit-any -- "some workflow" must accept every input; `unknown` would accept none */
export interface Workflow<
  I = any,
  O = any,
  M extends Messages = any,
  Q extends Answers = any,
  U extends Answers = any,
> {
  /* eslint-enable @typescript-eslint/no-explicit-any */
  readonly kind: 'workflow' | 'agent';
  readonly name: string;
  /** Only for the compiler; not there at run time. */
  readonly '~types': { input: I; output: O; messages: M; queries: Q; updates: U };
}

/** What was given to `workflow`, with its types erased: for the executor. */
export interface WorkflowDefinition {
  readonly name: string;
  readonly version?: string;
  readonly pinned?: boolean;
  readonly input?: Schema;
  readonly output?: Schema;
  readonly messages?: Messages;
  readonly queries?: Answers;
  readonly updates?: Answers;
  readonly retry?: RunRetry;
  readonly timeout?: Duration;
  readonly limits?: Limits;
  run(ctx: Context<Messages>, input: unknown): Promise<unknown>;
}

function checkAnswers({ queries = {}, updates = {} }: { queries?: Answers; updates?: Answers }): void {
  for (const name of Object.keys(queries)) checkName('query', name);
  for (const name of Object.keys(updates)) {
    checkName('update', name);
    if (Object.hasOwn(queries, name))
      throw new WritError(`'${name}' is a query and an update of the workflow`, { code: 'input.invalid' });
  }
}

const definition = Symbol.for('writ.definition');

/** Names are ids on the wire, in policies and in the ledger. */
export function checkName(what: string, name: string): void {
  if (!/^[a-zA-Z][a-zA-Z0-9_.-]{0,99}$/.test(name))
    throw new WritError(
      `'${name}' cannot be the name of a ${what}: it begins with a letter, then up to 99 letters, digits, '_', '.', '-'`,
      { code: 'input.invalid' },
    );
}

/** A value that carries its definition where only this package looks. */
export function define<T>(visible: object, hidden: unknown): T {
  return Object.freeze(Object.defineProperty({ ...visible }, definition, { value: hidden })) as T;
}

/** What `define` hid. */
export function definitionOf<D>(value: object): D {
  return (value as { [definition]: D })[definition];
}

/**
 * Defines a durable workflow: an ordinary async function whose effects are steps (own code) and calls (governed tools).
 *
 * `run` must take the same way when it is run again on recorded results: time from `ctx.now`, randomness from `ctx.crypto`, everything
 * else that varies or acts inside `ctx.step` or `ctx.call`. Where it does not, the run is paused with a diff, never silently re-executed.
 */
export function workflow<
  IS extends Schema = never,
  OS extends Schema = never,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no messages at all, not 'any object'
  M extends Messages = {},
  R = unknown,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- as above
  Q extends Answers = {},
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- as above
  U extends Answers = {},
>(def: {
  name: string;
  /** Of the code; recorded with the run. */
  version?: string;
  /** Its runs stay with workers of this version, until `writ run pin` says otherwise. Default: whichever worker there is gets them. */
  pinned?: boolean;
  input?: IS;
  output?: OS;
  /** What may be sent to a run, and is taken by `ctx.wait`. */
  messages?: M;
  /** What may be asked of a run: answered at once by `ctx.handle`, never recorded. */
  queries?: Q;
  /** What a run may be asked to do: accepted or refused, recorded, and answered when it is done, by `ctx.handle`. */
  updates?: U;
  /** Of the whole run, when `run` throws; default: it is not tried again. */
  retry?: RunRetry;
  /** Of the whole run, sleeps and waits included. */
  timeout?: Duration;
  /** What a run and all that it starts may spend, unless its start says otherwise. Used up, it waits for a person. */
  limits?: Limits;
  run(ctx: Context<M, Q, U>, input: [IS] extends [never] ? void : Out<IS>): Promise<[OS] extends [never] ? R : Out<OS>>;
}): Workflow<[IS] extends [never] ? void : In<IS>, [OS] extends [never] ? R : Out<OS>, M, Q, U> {
  checkName('workflow', def.name);
  if (def.pinned && !def.version)
    throw new WritError(`the workflow '${def.name}' is pinned to its version, and has none`, { code: 'input.invalid' });
  checkAnswers(def);
  return define({ kind: 'workflow', name: def.name }, def);
}
