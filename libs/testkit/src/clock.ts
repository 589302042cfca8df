interface Timer {
  due: number;
  order: number;
  fire: () => void;
}

/** A clock that a test moves. Timers fire in the order in which they are due, and only while it is moved. */
export class TestClock {
  private current: number;
  private timers: Timer[] = [];
  private made = 0;

  /** @param start ISO 8601; default the first second of 2026 */
  constructor(start = '2026-01-01T00:00:00.000Z') {
    this.current = Date.parse(start);
  }

  /** Milliseconds since 1970, as `Date.now` gives; usable without its object. */
  readonly now = (): number => this.current;

  /** The same as an ISO 8601 string, as events carry it. */
  readonly time = (): string => new Date(this.current).toISOString();

  /** Gives the function that takes the timer back. */
  readonly setTimeout = (fire: () => void, delayMs: number): (() => void) => {
    const timer = { due: this.current + Math.max(0, delayMs), order: this.made++, fire };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  /** @throws the signal's reason, when it aborts first */
  readonly sleep = (delayMs: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const takeBack = this.setTimeout(resolve, delayMs);
      signal?.addEventListener('abort', () => {
        takeBack();
        reject(signal.reason as Error);
      });
    });

  /** How many timers wait. */
  get pending(): number {
    return this.timers.length;
  }

  /** Moves on by that much; what a timer starts (and timers that it sets) is run before the next one fires. */
  async advance(ms: number): Promise<void> {
    const target = this.current + ms;
    for (;;) {
      const next = this.timers.filter(({ due }) => due <= target).sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.current = next.due;
      next.fire();
      await settled();
    }
    this.current = target;
    await settled();
  }
}

/** After everything that promises alone can do. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
