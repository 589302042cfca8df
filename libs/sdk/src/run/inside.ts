import { AsyncLocalStorage } from 'node:async_hooks';
import { WritError } from '../errors/errors.js';

/** Which step this code is part of. A step may do anything; what it does is its own affair, only its result is recorded. */
const steps = new AsyncLocalStorage<{ runId: string; step: string; signal: AbortSignal } | undefined>();

/** Runs the code of a step as such. */
export function insideStep<T>(about: { runId: string; step: string; signal: AbortSignal }, code: () => T): T {
  return steps.run(about, code);
}

/** Calls the function of a workflow: it is part of no step, wherever it was started from. */
export function outsideSteps<T>(code: () => T): T {
  return steps.run(undefined, code);
}

/** The step that this code is part of, or undefined in the workflow's own function. */
export function currentStep(): { runId: string; step: string; signal: AbortSignal } | undefined {
  return steps.getStore();
}

/** Recorded things have an order, and inside a step there is none. @throws WritError `run.nested` */
export function assertNotInStep(what: string): void {
  const inside = steps.getStore();
  if (inside)
    throw new WritError(`${what} was used inside the step '${inside.step}'`, {
      code: 'run.nested',
      hint: 'move it out of the step, into the workflow; a step is own code whose result is recorded as one',
    });
}
