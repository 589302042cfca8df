import type { LedgerEvent } from '@writ/ledger/domain';
import { refuse } from '@writ/ledger/domain';
import { CommitLines } from './commit-lines.js';
import { sharedReads } from './shared-reads.js';

/** Reads what the ledger has of one run. */
export interface History {
  /**
   * The events of a run in these commits, which are in ascending order and acknowledged.
   * @throws DomainError `run.journal_lost` when a commit is not there
   */
  events(partition: number, tenant: string, run: string, commits: readonly number[]): Promise<LedgerEvent[]>;
  /** The last event of each of these runs in one commit. @throws DomainError `run.journal_lost` */
  ends(
    partition: number,
    commit: number,
    runs: readonly (readonly [tenant: string, run: string])[],
  ): Promise<LedgerEvent[]>;
}

/** Gets one commit's body. */
export type ReadCommit = (partition: number, commit: number) => Promise<Uint8Array | undefined>;
/** Gets bodies of a stretch of commits, both ends included. */
export type ReadRange = (
  partition: number,
  from: number,
  to: number,
) => AsyncIterable<{ commit: number; bytes: Uint8Array }>;

const atOnce = 32;

/** A run's history out of a few commits of many: each is asked for by its number, unless they stand close together. */
export class LedgerHistory implements History {
  private readonly readCommit: (partition: number, commit: number) => Promise<CommitLines | undefined>;

  constructor(
    readCommit: ReadCommit,
    private readonly readRange: ReadRange,
  ) {
    this.readCommit = sharedReads(readCommit);
  }

  async events(partition: number, tenant: string, run: string, commits: readonly number[]): Promise<LedgerEvent[]> {
    const read = dense(commits) ? await this.stretch(partition, commits) : await this.single(partition, commits);
    return read.flatMap((lines) => lines.of(tenant, run));
  }

  async ends(
    partition: number,
    commit: number,
    runs: readonly (readonly [tenant: string, run: string])[],
  ): Promise<LedgerEvent[]> {
    const lines = (await this.readCommit(partition, commit)) ?? missing(partition, commit);
    return runs.flatMap(([tenant, run]) => lines.of(tenant, run).slice(-1));
  }

  private async single(partition: number, commits: readonly number[]): Promise<CommitLines[]> {
    const found: CommitLines[] = [];
    for (let from = 0; from < commits.length; from += atOnce) {
      const part = commits.slice(from, from + atOnce);
      const read = await Promise.all(part.map((commit) => this.readCommit(partition, commit)));
      for (const [i, lines] of read.entries()) found.push(lines ?? missing(partition, part[i] as number));
    }
    return found;
  }

  private async stretch(partition: number, commits: readonly number[]): Promise<CommitLines[]> {
    const wanted = new Set(commits);
    const found: CommitLines[] = [];
    const [first, last] = [commits[0] as number, commits[commits.length - 1] as number];
    for await (const { commit, bytes } of this.readRange(partition, first, last))
      if (wanted.delete(commit)) found.push(new CommitLines(bytes));
    const [lost] = wanted;
    if (lost !== undefined) missing(partition, lost);
    return found;
  }
}

function dense(commits: readonly number[]): boolean {
  const { length } = commits;
  return length > 64 && (commits[length - 1] as number) - (commits[0] as number) < 4 * length;
}

function missing(partition: number, commit: number): never {
  throw refuse('run.journal_lost', `commit ${commit} of partition ${partition} is not in the ledger`, {
    partition,
    commit,
  });
}
