/** A replica that was not heard for this long is gone, and its leases with it. */
export const leaseTtlMs = 3_000;

/** Another replica, as it was heard last. */
interface Other {
  heardMs: number;
  /** The partitions that it holds, as it tells them: `0,3,7`. */
  readonly told: string;
  readonly holds: ReadonlySet<number>;
}

/**
 * What one replica knows of the others of its service. Whoever was not heard for the length of a lease is gone, but only if
 * the broker took our own word after that: when it took nobody's, because it restarts, elects or is not reached, nobody
 * could be heard, and each would take what is all the others'. Times are this process's `performance.now()`.
 */
export class Others {
  private readonly all = new Map<string, Other>();
  /** When our own word was last taken. */
  private beatenMs: number;
  /** Until then whoever took over from us while we were not heard has had the time to say so. */
  private weakUntilMs = 0;

  constructor(nowMs: number) {
    this.beatenMs = nowMs;
  }

  /**
   * @param told undefined: it has left
   * @returns whether that is news, and what it holds
   */
  heard(replica: string, told: string | undefined, heardMs: number): { news: boolean; holds: ReadonlySet<number> } {
    const before = this.all.get(replica)?.told;
    const holds = new Set(told === undefined || told === '' ? [] : told.split(',').map(Number));
    if (told === undefined) this.all.delete(replica);
    else this.all.set(replica, { heardMs, told, holds });
    return { news: before !== told, holds };
  }

  knows(replica: string): boolean {
    return this.all.has(replica);
  }

  /**
   * Our own word was taken. After a time in which it was not, all have the length of a lease to say that they are there.
   * @returns whether somebody is gone
   */
  beaten(nowMs: number): boolean {
    if (!this.fresh(nowMs)) {
      this.believe(nowMs);
      this.weakUntilMs = nowMs + leaseTtlMs;
    }
    this.beatenMs = nowMs;
    const gone = [...this.all].filter(([, { heardMs }]) => nowMs - heardMs > leaseTtlMs);
    for (const [replica] of gone) this.all.delete(replica);
    return gone.length > 0;
  }

  /** Takes all for alive: who could not hear cannot know better. */
  believe(nowMs: number): void {
    for (const other of this.all.values()) other.heardMs = nowMs;
  }

  /** Whether we are heard, and so can hear the others. */
  fresh(nowMs: number): boolean {
    return nowMs - this.beatenMs <= leaseTtlMs;
  }

  /** Whether the others could take us for dead a moment ago: then what they hold, they hold since. */
  weak(nowMs: number): boolean {
    return !this.fresh(nowMs) || nowMs < this.weakUntilMs;
  }

  /** Those that live. */
  names(): Iterable<string> {
    return this.all.keys();
  }

  hold(partition: number): boolean {
    for (const { holds } of this.all.values()) if (holds.has(partition)) return true;
    return false;
  }
}
