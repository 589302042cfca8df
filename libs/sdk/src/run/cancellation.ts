import { CancelledError, type WritError } from '../errors/errors.js';
import type { Receipt } from './record.js';
import type { Slot } from './slot.js';
import { Stopping } from './stopping.js';

/** Whether and why a run is to stop, and what that reached. */
export class Cancellation {
  readonly #stopping = new Stopping();
  /** Steps and calls that were under way and were aborted. */
  readonly stopped = new Set<Slot>();
  /** Steps and calls that were begun by someone who did not live to tell. */
  readonly outcomeUnknown = new Set<Slot>();
  #error: WritError | undefined;

  /** `ctx.signal` */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get requested(): boolean {
    return this.#error !== undefined;
  }

  /** What open waits were rejected with: a CancelledError, or a TimeoutError where the time of the whole run is over. */
  get error(): WritError {
    return this.#error ?? new CancelledError();
  }

  /** The first reason stays. */
  request(error: WritError): void {
    this.#error ??= error;
    this.#stopping.abort(this.#error);
  }

  /** The run goes away from here: whoever listens to `ctx.signal` stops, without the function being told. */
  abort(reason: WritError): void {
    this.#stopping.abort(reason);
  }

  /** @param open what has no end now that the function has ended */
  receipt(open: readonly Slot[]): Pick<Receipt, 'stopped' | 'outcomeUnknown'> {
    const unknown = new Set([...this.outcomeUnknown, ...open.filter((slot) => slot.phase === 'performing')]);
    const name = (slot: Slot) => `${slot.kind} ${slot.name}/${slot.occurrence}`;
    return {
      stopped: [...this.stopped].filter((slot) => !unknown.has(slot)).map(name),
      outcomeUnknown: [...unknown].map(name),
    };
  }
}
