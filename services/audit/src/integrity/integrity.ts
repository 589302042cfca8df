import { partitionKey } from '../record/record.js';

/** A commit as the record knows it, or as the broker has it now. */
export interface CommitHash {
  readonly commit: number;
  /** SHA-256 of its body, hex. */
  readonly hash: string;
}

/** A place in the ledger. */
export interface Place {
  readonly service: string;
  readonly partition: number;
}

/**
 * What can be wrong. Of commits: `missing`, `changed`, `inserted`, `reordered`, `trimmed` (the front), `cut` (the end). Of the
 * record as a whole: `rolled_back` (it is shorter than what was signed), `forked` (it is another one than what was signed). Of
 * what is derived: `index` (the rows in Postgres), `tile` (a file of the tree).
 */
export type ProblemKind = keyof typeof SENTENCES | 'rolled_back' | 'forked';

/** Something between the record and the broker that should not be. */
export interface Problem extends Place {
  readonly kind: ProblemKind;
  /** Inclusive, both. */
  readonly firstCommit: number;
  readonly lastCommit: number;
  readonly text: string;
}

/**
 * Pure: what became of the commits of one partition that went into the record. `stored` is what the broker still has, in
 * order; a message that it can no longer read is not among them.
 *
 * @param head the last commit that went into the record, where `recorded` may not reach so far
 */
export function compare(
  place: Place,
  recorded: readonly CommitHash[],
  stored: readonly CommitHash[],
  head = recorded.at(-1)?.commit ?? 0,
): Problem[] {
  const found = new Ranges(place);
  const now = new Map(stored.map(({ commit, hash }) => [commit, hash]));
  const places = new Map(stored.map(({ commit, hash }) => [hash, commit]));
  const known = new Set(recorded.map(({ hash }) => hash));
  const [first, last] = [stored[0]?.commit ?? Infinity, stored.at(-1)?.commit ?? 0];
  const gone = (commit: number) => (commit > last ? 'cut' : commit < first ? 'trimmed' : 'missing');
  for (const { commit, hash } of recorded) {
    const there = now.get(commit);
    if (there === hash) continue;
    const stranger = there !== undefined && !known.has(there);
    if (places.has(hash)) found.add('reordered', commit);
    else found.add(stranger ? 'changed' : gone(commit), commit);
    if (stranger && places.has(hash)) found.add('inserted', commit);
  }
  for (let commit = (recorded.at(-1)?.commit ?? 0) + 1; commit <= head; commit++)
    if (!now.has(commit)) found.add(gone(commit), commit);
  return found.problems();
}

/** Commits that share what is wrong with them, where they follow each other. */
export class Ranges {
  private readonly open = new Map<keyof typeof SENTENCES, { first: number; last: number }[]>();

  constructor(private readonly place: Place) {}

  add(kind: keyof typeof SENTENCES, commit: number): void {
    const ranges = this.open.get(kind) ?? [];
    this.open.set(kind, ranges);
    const before = ranges.at(-1);
    if (before?.last === commit - 1) before.last = commit;
    else ranges.push({ first: commit, last: commit });
  }

  problems(): Problem[] {
    return [...this.open]
      .flatMap(([kind, ranges]) =>
        ranges.map(({ first, last }) => {
          const text = sentence(kind, this.place, first, last);
          return { ...this.place, kind, firstCommit: first, lastCommit: last, text };
        }),
      )
      .sort((a, b) => a.firstCommit - b.firstCommit || a.kind.localeCompare(b.kind));
  }
}

const SENTENCES = {
  missing: 'went into the record, and the broker no longer has it or can no longer read it',
  changed: 'is not what went into the record',
  inserted: 'stands where another one went into the record',
  trimmed: 'went into the record, and the beginning of the partition was cut away',
  reordered: 'stands in another place than when it went into the record',
  cut: 'went into the record, and the partition now ends before it',
  index: 'is what went into the record, and its row in Postgres is not',
  tile: 'cannot be compared: the tile of the tree that holds its hashes is not the one that was signed',
} as const;

function sentence(kind: keyof typeof SENTENCES, { service, partition }: Place, first: number, last: number): string {
  const which = first === last ? `commit ${first}` : `each of the commits ${first} to ${last}`;
  return `${which} of ${partitionKey(service, partition)} ${SENTENCES[kind]}`;
}
