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
