import { partitionKey } from '../record/record.js';

/** A commit as the record knows it, or as the broker has it now. */
export interface CommitHash {
  readonly commit: number;
  /** SHA-256 of its body, hex. */
  readonly hash: string;
}

/** Something between the record and the broker that should not be. */
export interface Problem {
  readonly kind: 'missing' | 'changed' | 'trimmed' | 'reordered' | 'cut';
  readonly service: string;
  readonly partition: number;
  /** Inclusive, both. */
  readonly firstCommit: number;
  readonly lastCommit: number;
  readonly text: string;
}

/**
 * Pure: what became of the commits of one partition that went into the record. `stored` is what the broker still has, in
 * order; a message that it can no longer read is not among them.
 */
export function compare(
  place: { service: string; partition: number },
  recorded: readonly CommitHash[],
  stored: readonly CommitHash[],
): Problem[] {
  const problems: Problem[] = [];
  const now = new Map(stored.map(({ commit, hash }) => [commit, hash]));
  const [first, last] = [stored[0]?.commit ?? Infinity, stored.at(-1)?.commit ?? 0];
  const report = (kind: Problem['kind'], commit: number) => {
    const open = problems.at(-1);
    if (open?.kind === kind && open.lastCommit === commit - 1)
      problems[problems.length - 1] = { ...open, lastCommit: commit };
    else problems.push({ ...place, kind, firstCommit: commit, lastCommit: commit, text: '' });
  };
  for (const [at, { commit, hash }] of recorded.entries()) {
    const found = now.get(commit);
    if (found === hash) continue;
    if (found === undefined) report(commit > last ? 'cut' : commit < first ? 'trimmed' : 'missing', commit);
    else if (found === recorded[at + 1]?.hash || found === recorded[at - 1]?.hash) report('reordered', commit);
    else report('changed', commit);
  }
  return problems.map((problem) => ({ ...problem, text: sentence(problem) }));
}

const SENTENCES = {
  missing: 'went into the record, and the broker no longer has it or can no longer read it',
  changed: 'is not what went into the record',
  trimmed: 'went into the record, and the beginning of the partition was cut away',
  reordered: 'stands in another place than when it went into the record',
  cut: 'went into the record, and the partition now ends before it',
} as const;

function sentence({ kind, service, partition, firstCommit, lastCommit }: Problem): string {
  const which =
    firstCommit === lastCommit ? `commit ${firstCommit}` : `each of the commits ${firstCommit} to ${lastCommit}`;
  return `${which} of ${partitionKey(service, partition)} ${SENTENCES[kind]}`;
}
