import { rememberedMs } from '@writ/enforcement';
import type { Ledger } from '@writ/ledger';

const sampleMs = 10_000;

/**
 * The commit before which nothing matters to enforcement points: what was revoked earlier can concern no token that is
 * still valid. So a process that starts reads the last quarter of an hour, not years.
 */
export class Floor {
  private samples: { commit: number; atMs: number }[] = [];

  private constructor(private floor: number) {}

  /** The first commit that is younger than what must be remembered, by bisection; `last` is the newest. */
  static async find(ledger: Pick<Ledger, 'read'>, last: number, nowMs = Date.now()): Promise<Floor> {
    let low = 1;
    let high = last + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((await timeOf(ledger, middle)) < nowMs - rememberedMs) low = middle + 1;
      else high = middle;
    }
    return new Floor(low);
  }

  get commit(): number {
    return this.floor;
  }

  /** The ledger was at this commit at this time. */
  passed(commit: number, atMs: number): void {
    const last = this.samples.at(-1);
    if (!last || atMs - last.atMs >= sampleMs) this.samples.push({ commit, atMs });
    while (this.samples[0] && this.samples[0].atMs < atMs - rememberedMs)
      this.floor = Math.max(this.floor, (this.samples.shift() as { commit: number }).commit + 1);
  }
}

async function timeOf(ledger: Pick<Ledger, 'read'>, commit: number): Promise<number> {
  for await (const { time } of ledger.read('identity', 0, { from: commit - 1, to: commit })) return time.getTime();
  return Number.POSITIVE_INFINITY;
}
