import type { Timers } from '../run/effects.js';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Time that stands still until it is advanced. Timers fire in the order of their instants. */
export class VirtualClock implements Timers {
  #now: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(now: Date) {
    this.#now = now.getTime();
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fire: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves to the next timer at or before `until` and fires it; false where there is none, and then it is `until`. */
  step(until: number): boolean {
    const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
    this.#now = Math.max(this.#now, due?.at ?? until);
    if (!due) return false;
    this.#timers.delete(due);
    due.fire();
    return true;
  }
}
