/** What the owner of identity's partition says twice a second, on the core NATS subject {@link heartbeatSubject}. */
export interface Heartbeat {
  /** The last commit of `LEDGER_IDENTITY_00`, as the broker tells it. */
  commit: number;
  /** When it was sent: milliseconds of the sender's monotonic clock. */
  sentMs: number;
  /** The sender's clock: another id, another origin of `sentMs`. */
  clock: string;
  /** The owner's claim of the partition: a deposed owner's heartbeat has a lower one. */
  claim: number;
  /** Number of revocations so far, in all tenants. */
  epoch: number;
  /** Nothing before this commit concerns a token that is still valid: a follower may start behind it. */
  floor: number;
}

export const heartbeatSubject = 'identity.heartbeat';
export const heartbeatEveryMs = 500;
/** Nothing heard for so long: refuse everything. */
export const staleAfterMs = 2_000;

const windowMs = 60_000;

/**
 * How old our knowledge of revocations is. A heartbeat counts from when it was *sent*: one that lay in a buffer while
 * this process was paused must not look fresh. Sender and receiver share no clock, so the smallest difference between
 * sending and receiving in the last one to two minutes stands for zero delay; both clocks are monotonic.
 */
export class Freshness {
  private claim = 0;
  private clock = '';
  private window = {
    startMs: Number.NEGATIVE_INFINITY,
    offset: Number.POSITIVE_INFINITY,
    before: Number.POSITIVE_INFINITY,
  };
  private confirmedMs = Number.NEGATIVE_INFINITY;
  private applied = 0;
  private waiting: { commit: number; sentMs: number }[] = [];

  /** Commits up to this one were taken in. */
  commitApplied(commit: number): void {
    this.applied = commit;
    while (this.waiting[0] && this.waiting[0].commit <= commit)
      this.confirm((this.waiting.shift() as { sentMs: number }).sentMs);
  }

  /** @param nowMs of the own monotonic clock. */
  heard(heartbeat: Heartbeat, nowMs: number): void {
    if (heartbeat.claim < this.claim) return; // from an owner that was deposed and does not know it yet
    this.claim = heartbeat.claim;
    const sentMs = heartbeat.sentMs + this.offset(heartbeat, nowMs);
    if (heartbeat.commit <= this.applied) return this.confirm(sentMs);
    if (this.waiting.length < 64) this.waiting.push({ commit: heartbeat.commit, sentMs });
  }

  /** Milliseconds since identity was last known to be alive with all of its commits taken in; infinite before the first. */
  ageMs(nowMs: number): number {
    return Math.max(0, nowMs - this.confirmedMs);
  }

  private confirm(sentMs: number): void {
    if (sentMs > this.confirmedMs) this.confirmedMs = sentMs;
  }

  /** What to add to the sender's clock to get ours, less the time on the way, as far as that is known. */
  private offset({ clock, sentMs }: Heartbeat, nowMs: number): number {
    const observed = nowMs - sentMs;
    if (clock !== this.clock) {
      this.clock = clock;
      this.window = { startMs: nowMs, offset: observed, before: Number.POSITIVE_INFINITY };
    } else if (nowMs - this.window.startMs > windowMs) {
      // Two windows, because clocks drift: a minimum kept for ever would after hours call everything stale.
      this.window = { startMs: nowMs, offset: observed, before: this.window.offset };
    } else this.window.offset = Math.min(this.window.offset, observed);
    return Math.min(this.window.offset, this.window.before);
  }
}
