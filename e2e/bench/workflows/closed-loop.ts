/** Always so many at once: who has come to an end begins anew. */
import { quantile } from '../bench.js';

/** Of all that ended since the last mark. */
export interface Marked {
  readonly completed: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class ClosedLoop {
  private times: number[] = [];
  private markedAt = performance.now();
  private going = true;
  private readonly callers: Promise<void>[];

  constructor(
    private readonly one: () => Promise<unknown>,
    inFlight: number,
  ) {
    this.callers = Array.from({ length: inFlight }, () => this.call());
  }

  mark(): Marked {
    const [times, began] = [this.times.sort((a, b) => a - b), this.markedAt];
    [this.times, this.markedAt] = [[], performance.now()];
    return {
      completed: times.length,
      perSecond: (times.length * 1000) / (this.markedAt - began),
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
    };
  }

  async end(): Promise<void> {
    this.going = false;
    await Promise.all(this.callers);
  }

  private async call(): Promise<void> {
    while (this.going) {
      const began = performance.now();
      await this.one();
      this.times.push(performance.now() - began);
    }
  }
}

/** What a client can be told about its loop. */
export function loopTasks(one: () => Promise<unknown>) {
  let loop: ClosedLoop | undefined;
  return {
    begin: ({ inFlight }: { inFlight: number }) => void (loop = new ClosedLoop(one, inFlight)),
    mark: () => loop?.mark(),
    end: () => loop?.end(),
  };
}
