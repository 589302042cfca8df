import { setTimeout as sleep } from 'node:timers/promises';
import type { Follower, Ledger, Logger } from '@writ/ledger';
import { Freshness, heartbeatSubject, staleAfterMs, type Heartbeat } from './revocations.freshness.js';
import { RevokedSet, type Revoked } from './revocations.js';
import type { KeySet } from './tokens.keys.js';
import type { VerifiedToken } from './tokens.js';

export interface RevocationFollowerOptions {
  ledger: Pick<Ledger, 'nc' | 'follow'>;
  /** Told of each new signing key of the authorization server. */
  keys?: Pick<KeySet, 'add'>;
  log?: Logger;
}

/** What the authenticator asks. */
export interface Revocations {
  /** Number of revocations taken in so far. */
  readonly epoch: number;
  /** Milliseconds since all that identity had committed was known here. */
  ageMs(): number;
  /** Whether the answer of `refuses` may be relied on. */
  fresh(): boolean;
  /** The id that took the token's authority away, if any. */
  refuses(token: VerifiedToken): { subject: string; ended: boolean } | undefined;
}

/** Follows identity's ledger and its heartbeat, and holds in memory what was revoked. */
export class RevocationFollower implements Revocations, AsyncDisposable {
  private readonly set = new RevokedSet();
  private readonly freshness = new Freshness();
  private readonly listeners = new Set<(revoked: Revoked) => void>();
  private readonly stopping = new AbortController();
  private follower: Follower | undefined;
  private following: Promise<void> | undefined;
  private readonly pruning: NodeJS.Timeout;

  /** Returns at once; until identity is heard and caught up with, `fresh` is false. */
  static start(options: RevocationFollowerOptions): RevocationFollower {
    return new RevocationFollower(options);
  }

  private constructor(private readonly options: RevocationFollowerOptions) {
    const { nc } = options.ledger;
    const subscription = nc.subscribe(heartbeatSubject, {
      callback: (error, message) => {
        if (error === null) this.heard(message.json<Heartbeat>());
      },
    });
    this.stopping.signal.addEventListener('abort', () => subscription.unsubscribe());
    this.pruning = setInterval(() => this.set.prune(Date.now()), 60_000).unref();
  }

  get epoch(): number {
    return this.set.epoch;
  }

  ageMs(): number {
    return this.freshness.ageMs(performance.now());
  }

  fresh(): boolean {
    return this.ageMs() < staleAfterMs;
  }

  refuses(token: VerifiedToken): { subject: string; ended: boolean } | undefined {
    return this.set.refuses(token);
  }

  /** Called within the same turn in which a revocation is taken in: to cut streams and kill what still runs. */
  onRevoked(listener: (revoked: Revoked) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async stop(): Promise<void> {
    clearInterval(this.pruning);
    this.stopping.abort();
    await this.follower?.stop();
    await this.following;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private heard(heartbeat: Heartbeat): void {
    this.freshness.heard(heartbeat, performance.now());
    if (this.following) return;
    // Later ones are not counted: they may be ahead of what was taken in here, and decisions name what they knew.
    this.set.counted(heartbeat.epoch);
    this.following = this.follow(heartbeat.floor);
  }

  /** Reads until stopped. After a failure it goes on behind the last commit that it took in; meanwhile age grows. */
  private async follow(floor: number): Promise<void> {
    let from = Math.max(0, floor - 1);
    this.freshness.commitApplied(from);
    for (let delayMs = 50; !this.stopping.signal.aborted; delayMs = Math.min(delayMs * 2, 1_000)) {
      try {
        this.follower = await this.options.ledger.follow({
          service: 'identity',
          partition: 0,
          from,
          onCommit: async (commit) => {
            for (const event of commit.events) await this.take(event);
            from = commit.commit;
            this.freshness.commitApplied(from);
            delayMs = 50;
          },
        });
        await this.follower.closed;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        this.options.log?.warn({ err: error, from }, 'identity cannot be followed; trying again');
        await sleep(delayMs);
      }
    }
  }

  private async take(event: Parameters<RevokedSet['apply']>[0]): Promise<void> {
    if (event.type === 'signing_key.activated.v1') {
      const { kid, jwk } = event.data as { kid: string; jwk: object };
      await this.options.keys?.add({ ...jwk, kid });
      return;
    }
    const revoked = this.set.apply(event);
    if (!revoked) return;
    for (const listener of this.listeners) {
      try {
        listener(revoked);
      } catch (error) {
        this.options.log?.error({ err: error, revoked }, 'a listener failed on a revocation');
      }
    }
  }
}
