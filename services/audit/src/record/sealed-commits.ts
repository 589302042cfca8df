import type { Commit } from '@writ/ledger';
import { partitionKey } from './record.js';

/** What is kept for an index that falls behind; what it lacks it reads from the ledger. */
const mostBytes = 32 * 1024 * 1024;

/** Commits that were sealed a moment ago, for the index beside: while it keeps up nothing is read from the broker twice. */
export class SealedCommits {
  private readonly commits = new Map<string, Commit>();
  private bytes = 0;

  keep(commits: readonly Commit[]): void {
    for (const commit of commits) {
      this.take(commit.service, commit.partition, commit.commit); // sealed again after a failure
      this.commits.set(keyOf(commit.service, commit.partition, commit.commit), commit);
      this.bytes += commit.bytes.length;
    }
    for (const { service, partition, commit } of this.commits.values()) {
      if (this.bytes <= mostBytes) break;
      this.take(service, partition, commit);
    }
  }

  /** Gives it once. */
  take(service: string, partition: number, commit: number): Commit | undefined {
    const key = keyOf(service, partition, commit);
    const kept = this.commits.get(key);
    if (!kept) return undefined;
    this.commits.delete(key);
    this.bytes -= kept.bytes.length;
    return kept;
  }
}

function keyOf(service: string, partition: number, commit: number): string {
  return `${partitionKey(service, partition)}/${commit}`;
}
