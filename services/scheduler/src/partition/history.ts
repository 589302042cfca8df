import type { LedgerEvent } from '@writ/ledger/domain';
import { refuse } from '@writ/ledger/domain';
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
  private readonly readCommit: ReadCommit;

  constructor(
    readCommit: ReadCommit,
    private readonly readRange: ReadRange,
  ) {
    this.readCommit = sharedReads(readCommit);
  }

  async events(partition: number, tenant: string, run: string, commits: readonly number[]): Promise<LedgerEvent[]> {
    const bodies = dense(commits) ? await this.stretch(partition, commits) : await this.single(partition, commits);
    return bodies.flatMap((body) => eventsOf(body, tenant, run));
  }

  async ends(
    partition: number,
    commit: number,
    runs: readonly (readonly [tenant: string, run: string])[],
  ): Promise<LedgerEvent[]> {
    const body = (await this.readCommit(partition, commit)) ?? missing(partition, commit);
    return runs.flatMap(([tenant, run]) => eventsOf(body, tenant, run).slice(-1));
  }

  private async single(partition: number, commits: readonly number[]): Promise<Uint8Array[]> {
    const bodies: Uint8Array[] = [];
    for (let from = 0; from < commits.length; from += atOnce) {
      const part = commits.slice(from, from + atOnce);
      const read = await Promise.all(part.map((commit) => this.readCommit(partition, commit)));
      for (const [i, body] of read.entries()) bodies.push(body ?? missing(partition, part[i] as number));
    }
    return bodies;
  }

  private async stretch(partition: number, commits: readonly number[]): Promise<Uint8Array[]> {
    const wanted = new Set(commits);
    const bodies: Uint8Array[] = [];
    const [first, last] = [commits[0] as number, commits[commits.length - 1] as number];
    for await (const { commit, bytes } of this.readRange(partition, first, last))
      if (wanted.delete(commit)) bodies.push(bytes);
    const [lost] = wanted;
    if (lost !== undefined) missing(partition, lost);
    return bodies;
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

/** Most lines of a commit are of other runs: only those that name this one are parsed. */
export function eventsOf(body: Uint8Array, tenant: string, run: string): LedgerEvent[] {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const mark = JSON.stringify(run);
  const events: LedgerEvent[] = [];
  for (let at = text.indexOf(mark); at !== -1;) {
    const start = text.lastIndexOf('\n', at) + 1;
    const end = text.indexOf('\n', at);
    const event = JSON.parse(end === -1 ? text.slice(start) : text.slice(start, end)) as LedgerEvent;
    if (event.subject === run && event.tenant === tenant) events.push(event);
    at = end === -1 ? -1 : text.indexOf(mark, end);
  }
  return events;
}
