/** Waits for `ms`, or until `signal` is aborted; leaves no listener behind. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** A crowd that waits for the next change of something. */
export class Waiters {
  private readonly waiting = new Set<() => void>();

  wake(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Until `wake`, or until `signal` is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.waiting.delete(end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      this.waiting.add(end);
      signal.addEventListener('abort', end);
    });
  }
}

/**
 * Until the next multiple of `ms` on this process's own clock. Who waits that long, instead of `ms`, does what it does each
 * second in the same turn of the event loop as all the others: an idle process is woken once for all of them, and waking up
 * costs more than what is done.
 */
export function untilNext(ms: number): number {
  return ms - (performance.now() % ms);
}

const moments = new Map<number, Promise<void>>();

/**
 * The next multiple of `ms`, the same promise for all who wait for it: they go on in one turn of the event loop, where a timer
 * for each would give each a turn of its own, and what they send then leaves together.
 */
export function nextMoment(ms: number): Promise<void> {
  let moment = moments.get(ms);
  if (!moment) {
    moment = new Promise<void>((resolve) => setTimeout(resolve, untilNext(ms))).then(() => void moments.delete(ms));
    moments.set(ms, moment);
  }
  return moment;
}

/**
 * Calls `tick` every `ms`, at the multiples of it (see `untilNext`). Keeps no process alive.
 * @returns ends it
 */
export function every(ms: number, tick: () => void): () => void {
  let timer: NodeJS.Timeout;
  // A timer may fire a moment early; `from` is then the moment it was for, and the next is not the same one again.
  const arm = (from: number): void => {
    const due = (Math.floor(from / ms) + 1) * ms;
    timer = setTimeout(() => {
      arm(Math.max(performance.now(), due));
      tick();
    }, due - performance.now());
    timer.unref();
  };
  arm(performance.now());
  return () => clearTimeout(timer);
}
