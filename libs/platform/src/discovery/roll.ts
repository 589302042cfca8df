import type { Announcement } from './announce.js';

/** A replica that is not heard for this long, while others are, is gone. */
const STALE_MS = 5_000;
/** Somebody announces each second; a longer silence is the broker's, and says nothing about anybody. */
const SILENCE_MS = 2_000;

/**
 * Who is up, from what was heard. Its clock goes on only while anybody is heard: when the broker is away, all are silent,
 * and none of them is struck off for it.
 */
export class Roll {
  private readonly replicas = new Map<string, { entry: Announcement; heardMs: number }>();
  private timeMs = 0;
  private lastMs: number | undefined;

  /** @param nowMs a clock that never goes back */
  heard(key: string, entry: Announcement, nowMs: number): void {
    this.advance(nowMs);
    this.replicas.set(key, { entry, heardMs: this.timeMs });
  }

  /** It said goodbye. */
  gone(key: string): void {
    this.replicas.delete(key);
  }

  /** The replicas that are up, of one service or of all, in no particular order. */
  up(service?: string): Announcement[] {
    return [...this.replicas.values()]
      .filter(({ entry, heardMs }) => this.timeMs - heardMs <= STALE_MS && (service ?? entry.name) === entry.name)
      .map(({ entry }) => entry);
  }

  private advance(nowMs: number): void {
    this.timeMs += Math.min(nowMs - (this.lastMs ?? nowMs), SILENCE_MS);
    this.lastMs = nowMs;
    for (const [key, { heardMs }] of this.replicas) if (this.timeMs - heardMs > STALE_MS) this.replicas.delete(key);
  }
}
