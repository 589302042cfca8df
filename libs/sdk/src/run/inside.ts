import { AsyncLocalStorage } from 'node:async_hooks';
import type { webcrypto } from 'node:crypto';
import { WritError } from '../errors/errors.js';

/** Which step this code is part of. A step may do anything; what it does is its own affair, only its result is recorded. */
const steps = new AsyncLocalStorage<Inside | undefined>();

const nothingToStop = new AbortController();

export interface Inside {
  readonly runId: string;
  readonly step: string;
  /** Whose signal is made when it is looked at. */
  readonly stopping: { readonly signal: AbortSignal };
  /** No step, but what only looks: `query 'balance'`. */
  readonly looks?: string;
}

/** Runs the code of a step as such. */
export function insideStep<T>(about: Inside, code: () => T): T {
  return steps.run(about, code);
}

/** Runs what answers a question: it may look at the run, and use nothing of its context that is recorded. */
export function insideQuery<T>(runId: string, looks: string, code: () => T): T {
  return steps.run({ runId, step: looks, stopping: nothingToStop, looks }, code);
}

/** Calls the function of a workflow: it is part of no step and of no loop's turn, wherever it was started from. */
export function outsideSteps<T>(code: () => T): T {
  if (steps.getStore() === undefined && turns.getStore() === undefined) return code();
  return steps.run(undefined, () => turns.run(undefined, code));
}

/** The turn of a loop. */
export interface Turn {
  /** Of the names of what it asks for: `loop[17]/`. */
  readonly prefix: string;
  /** The same in this turn whatever the turns before it took, since they may be forgotten. */
  crypto?: Pick<webcrypto.Crypto, 'randomUUID' | 'getRandomValues'>;
}
const turns = new AsyncLocalStorage<Turn | undefined>();

/** Runs one turn of a loop. */
export function insideTurn<T>(prefix: string, code: () => T): T {
  return turns.run({ prefix }, code);
}

/** The turn that this code is part of, or undefined outside of loops. */
export function currentTurn(): Turn | undefined {
  return turns.getStore();
}

/** The name of a command of the function, told apart from those of other turns. @throws WritError `input.invalid` */
export function nameInTurn(name: string): string {
  if (name.includes(']/'))
    throw new WritError(
      `a name cannot contain ']/', as '${name.slice(0, 100)}' does: that is what tells the turns of loops apart`,
      {
        code: 'input.invalid',
      },
    );
  const turn = turns.getStore();
  return turn === undefined ? name : turn.prefix + name;
}

/** The step that this code is part of, or undefined in the workflow's own function. */
export function currentStep(): Inside | undefined {
  return steps.getStore();
}

/** Recorded things have an order, and inside a step there is none. @throws WritError `run.nested` */
export function assertNotInStep(what: string): void {
  const inside = steps.getStore();
  if (inside)
    throw new WritError(`${what} was used inside the ${inside.looks ?? `step '${inside.step}'`}`, {
      code: 'run.nested',
      hint: inside.looks
        ? 'what answers a query, or accepts an update, only looks; the handler of an update may do something'
        : 'move it out of the step, into the workflow; a step is own code whose result is recorded as one',
    });
}
