import type { Ledger } from '@writ/ledger';
import { partitionsOf } from '@writ/ledger/domain';
import { readAllTenants } from '@writ/platform';
import type { DataSource } from 'typeorm';
import type { Checkpoints, Heads } from '../checkpoint/checkpoints.js';
import { RecordBroken } from '../record/record-broken.js';
import { partitionKey, RECORD_PLACE } from '../record/record.js';
import type { TileTree } from '../tree/tile-tree.js';
import { compare, Ranges, type CommitHash, type Place, type Problem } from './integrity.js';
import { leavesOf, readStored, streamState, type StoredCommit } from './stored.js';

/** What a check found. */
export interface Integrity {
  readonly problems: readonly Problem[];
  readonly commits: number;
  readonly treeSize: number;
  readonly time: Date;
}

/** A commit that went into the record, as the index knows it, and the place of its lines in the tree. */
interface RecordedCommit extends CommitHash {
  readonly firstLeaf: number | null;
}

/** Every partition of the ledger. */
const places: readonly Place[] = Object.entries(partitionsOf).flatMap(([service, count]) =>
  Array.from({ length: count }, (_, partition) => ({ service, partition })),
);

/**
 * Compares what the broker has with what went into the record. Three things are asked, so that no one of them can be changed
 * alone: the index in Postgres (hashes of commits), the signed tree (hashes of lines), and the heads that were written down
 * with the newest checkpoint.
 */
export class IntegrityChecker {
  private last: Integrity | undefined;
  private running: Promise<Integrity> | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly dataSource: DataSource,
    private readonly checkpoints: Checkpoints,
  ) {}

  /** Result of the last check; undefined before the first. */
  get latest(): Integrity | undefined {
    return this.last;
  }

  /** Reads everything again; callers at the same time share one reading. */
  check(): Promise<Integrity> {
    return (this.running ??= this.readAll().finally(() => (this.running = undefined)));
  }

  /** Asks only where each stream begins and ends: whether something is wrong that needs no reading to be seen. */
  async suspicious(): Promise<boolean> {
    if (this.checkpoints.broken) return true;
    const { heads } = await this.kept();
    for (const place of places) {
      const head = heads[partitionKey(place.service, place.partition)] ?? 0;
      if (head === 0) continue;
      const state = await streamState(this.ledger, place);
      if (!state || state.first_seq > 1 || state.last_seq < head || (state.num_deleted ?? 0) > 0) return true;
    }
    return false;
  }

  private async readAll(): Promise<Integrity> {
    const { heads, problems } = await this.kept();
    const { size } = await this.indexed();
    let commits = 0;
    for (const place of places) {
      const recorded = await this.recorded(place);
      const head = Math.max(recorded.at(-1)?.commit ?? 0, heads[partitionKey(place.service, place.partition)] ?? 0);
      commits += recorded.length;
      if (head > 0) problems.push(...(await this.compare(place, recorded, head)));
    }
    return (this.last = { problems, commits, treeSize: size, time: new Date() });
  }

  /** What audit has signed, and whether the record still is that one. */
  private async kept(): Promise<{ heads: Heads; problems: Problem[] }> {
    try {
      const kept = await this.checkpoints.kept();
      return { heads: kept?.heads ?? {}, problems: asProblems(this.checkpoints.broken) };
    } catch (error) {
      if (error instanceof RecordBroken) return { heads: {}, problems: asProblems(error) };
      throw error;
    }
  }

  private async compare(place: Place, recorded: readonly RecordedCommit[], head: number): Promise<Problem[]> {
    const known = new Map(recorded.map((each) => [each.commit, each]));
    const [stored, proven]: [CommitHash[], CommitHash[]] = [[], []];
    const derived = new Ranges(place);
    for await (const commit of readStored(this.ledger, place, head)) {
      stored.push({ commit: commit.commit, hash: commit.hash });
      const entry = known.get(commit.commit);
      const hash = entry && (await this.proven(commit, entry, derived));
      if (hash !== undefined) proven.push({ commit: commit.commit, hash });
    }
    const corrected = new Map(proven.map(({ commit, hash }) => [commit, hash]));
    const truth = recorded.map(({ commit, hash }) => ({ commit, hash: corrected.get(commit) ?? hash }));
    return [...compare(place, truth, stored, head), ...derived.problems()];
  }

  /** What the signed tree says about a stored commit where the index says something else: the hash that is true. */
  private async proven(
    { commit, hash, body }: StoredCommit,
    entry: RecordedCommit,
    derived: Ranges,
  ): Promise<string | undefined> {
    const tree = this.checkpoints.latest()?.tree;
    const leaves = leavesOf(body);
    if (!tree || entry.firstLeaf === null || entry.firstLeaf + leaves.length > tree.size) return undefined;
    const inTree = await holds(tree, entry.firstLeaf, leaves);
    if (inTree === (hash === entry.hash)) return undefined;
    if (inTree) derived.add('index', commit);
    else if (!(await intact(tree, entry.firstLeaf, leaves.length))) derived.add('tile', commit);
    else return `not ${hash}`; // the index was changed together with the ledger
    return hash;
  }

  private recorded({ service, partition }: Place): Promise<RecordedCommit[]> {
    return readAllTenants(this.dataSource, (manager) =>
      manager.query(
        `SELECT c.commit::float8 AS commit, c.hash, min(l.leaf)::float8 AS "firstLeaf"
         FROM sealed_commit c LEFT JOIN leaf l USING (service, partition, commit)
         WHERE c.service = $1 AND c.partition = $2 GROUP BY c.commit, c.hash ORDER BY c.commit`,
        [service, partition],
      ),
    );
  }

  private async indexed(): Promise<{ size: number }> {
    const rows: { size: number }[] = await readAllTenants(this.dataSource, (manager) =>
      manager.query('SELECT coalesce(max(leaf) + 1, 0)::float8 AS size FROM leaf'),
    );
    return rows[0] as { size: number };
  }
}

async function holds(tree: TileTree, first: number, leaves: readonly Uint8Array[]): Promise<boolean> {
  for (const [at, leaf] of leaves.entries()) if (!Buffer.from(leaf).equals(await tree.leaf(first + at))) return false;
  return true;
}

async function intact(tree: TileTree, first: number, count: number): Promise<boolean> {
  return (await tree.vouches(first)) && (await tree.vouches(first + count - 1));
}

function asProblems(broken: RecordBroken | undefined): Problem[] {
  if (!broken) return [];
  return [{ ...RECORD_PLACE, kind: broken.kind, firstCommit: 0, lastCommit: 0, text: broken.message }];
}
