import { firstCommitSince, rememberedMs } from '@writ/enforcement';
import type { Ledger } from '@writ/ledger';

const sampleMs = 10_000;

/**
 * The commit before which nothing matters to enforcement points: what was revoked earlier can concern no token that is
 * still valid. So a process that starts reads the last quarter of an hour, not years.
 */
export class Floor {
  private samples: { commit: number; atMs: number }[] = [];

  private constructor(private floor: number) {}

  /** @param last the newest commit */
  static async find(ledger: Pick<Ledger, 'read'>, last: number, nowMs = Date.now()): Promise<Floor> {
    return new Floor(await firstCommitSince(ledger, last, nowMs - rememberedMs));
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
