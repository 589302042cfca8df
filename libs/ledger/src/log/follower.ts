import type { Commit } from './commit.js';
import type { Follower, FollowSpec } from './follow.js';
import { CommitReader } from './reader.js';
import type { LedgerSource } from '../source.js';
import { chainStart } from './chain.js';

/** Hands the commits of one partition to `onCommit`, each after the one before it is done. */
export class LogFollower implements Follower {
  commit: number;
  readonly caughtUp: Promise<void>;
  readonly closed: Promise<void>;
  private readonly reader: CommitReader;
  private readonly spec: FollowSpec;
  private reach!: () => void;
  private readonly goal: number;

  /** @param goal the last commit there is now */
  constructor(source: LedgerSource, spec: FollowSpec, goal: number) {
    this.spec = spec;
    this.commit = spec.from ?? 0;
    this.goal = goal;
    const { service, partition } = spec;
    const link = this.commit === 0 ? chainStart : spec.hash;
    this.reader = new CommitReader(
      source,
      { service, partition },
      { from: this.commit, link, gatherMs: spec.gatherMs },
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.caughtUp = promise;
    this.reach = resolve;
    if (this.commit >= goal) resolve();
    this.closed = this.run();
    this.closed.then(() => reject(new Error('the follower was stopped')), reject);
    this.caughtUp.catch(() => undefined);
    this.closed.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.reader.close();
    await this.closed.catch(() => undefined);
  }

  private async run(): Promise<void> {
    try {
      for (let commits = await this.reader.next(); commits.length > 0; commits = await this.reader.next())
        for (const commit of commits) await this.take(commit);
    } finally {
      this.reader.close();
    }
  }

  private async take(commit: Commit): Promise<void> {
    const taken = this.spec.onCommit(commit);
    if (taken) await taken;
    this.commit = commit.commit;
    if (this.commit >= this.goal) this.reach();
  }
}
