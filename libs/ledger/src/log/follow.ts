import type { ServiceName } from '../domain/partitioning.js';
import type { Commit } from './commit.js';

/** Reads one partition in order. */
export interface FollowSpec {
  service: ServiceName;
  partition: number;
  /** The last commit that is already known; reading starts behind it. Default 0: from the start. */
  from?: number;
  /** Hash of that commit, where the caller kept it: shows that the log still goes on from there. */
  hash?: string;
  /**
   * Milliseconds: having reached the end of the log, it asks for more at the next multiple of so many, and gets all that has come. A busy
   * log then costs broker and reader a few messages a second, not a wake-up for each commit. Default 0: each as soon as it is there.
   */
  gatherMs?: number;
  /** Called one after another; the next commit waits for the promise, and so does the network. A throw stops the follower. */
  onCommit(commit: Commit): void | Promise<void>;
}

export interface Follower {
  /** The last commit that `onCommit` has finished. */
  readonly commit: number;
  /** Everything that was there at the start has been taken in. */
  readonly caughtUp: Promise<void>;
  /** Resolves after `stop`; rejects when `onCommit` threw or the chain is broken. */
  readonly closed: Promise<void>;
  stop(): Promise<void>;
}
