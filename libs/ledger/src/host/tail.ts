import type { Commit, PartitionAddress } from '../log/commit.js';
import { CommitReader } from '../log/reader.js';
import type { LedgerSource } from '../source.js';
import { Waiters } from '../pause.js';

const keepCommits = 1_000;
const keepBytes = 4 * 1024 * 1024;
const mostAtOnce = 500;

/**
 * The last commits of an owned partition, for the projections and reactors beside its owner: those that keep up never
 * read the log, and their events are never parsed again. What all of them have taken is let go.
 */
export class Tail {
  private readonly source: LedgerSource;
  private readonly address: PartitionAddress;
  private kept: Commit[] = [];
  private bytes = 0;
  private latest: number;
  private readonly waiting = new Waiters();
  private readonly cursors = new Set<TailCursor>();

  constructor(source: LedgerSource, address: PartitionAddress, head: number) {
    this.source = source;
    this.address = address;
    this.latest = head;
  }

  /** The last commit. */
  get head(): number {
    return this.latest;
  }

  push(commit: Commit): void {
    this.latest = commit.commit;
    if (this.cursors.size === 0) return; // who comes later reads the log up to here
    this.kept.push(commit);
    this.bytes += commit.bytes.length;
    let drop = 0;
    while (this.kept.length - drop > keepCommits || (this.bytes > keepBytes && drop < this.kept.length))
      this.bytes -= (this.kept[drop++] as Commit).bytes.length;
    // In one go and rarely: shifting an array each time would copy it each time.
    if (drop > 0) this.kept = this.kept.slice(Math.min(this.kept.length, drop + (keepCommits >> 2)));
    if (drop > 0) this.bytes = this.kept.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.waiting.wake();
  }

  /** @param from the last commit that is known */
  cursor(from: number): TailCursor {
    const cursor = new TailCursor(this, this.source, this.address, from);
    this.cursors.add(cursor);
    return cursor;
  }

  closed(cursor: TailCursor): void {
    this.cursors.delete(cursor);
    this.taken();
  }

  /** Lets go what no cursor will ask for: a few commits hold megabytes of events. */
  taken(): void {
    const last = this.kept.at(-1)?.commit;
    if (last === undefined) return;
    for (const { from } of this.cursors) if (from < last) return;
    this.kept = [];
    this.bytes = 0;
  }

  /** What is kept after `from`; undefined when that has been dropped already. */
  after(from: number): readonly Commit[] | undefined {
    const first = this.kept[0]?.commit ?? this.latest + 1;
    return from + 1 < first ? undefined : this.kept.slice(from + 1 - first, from + 1 - first + mostAtOnce);
  }

  /** Until there is another commit, or `signal` is aborted. */
  async grown(signal: AbortSignal): Promise<void> {
    await this.waiting.next(signal);
  }
}

/** One consumer's place in a partition: from the log while it is far behind, from memory once it is near the head. */
export class TailCursor {
  private readonly tail: Tail;
  private readonly source: LedgerSource;
  private readonly address: PartitionAddress;
  /** The last commit that was taken. */
  from: number;
  private reader: CommitReader | undefined;

  constructor(tail: Tail, source: LedgerSource, address: PartitionAddress, from: number) {
    this.tail = tail;
    this.source = source;
    this.address = address;
    this.from = from;
  }

  /** Until there is a commit that was not taken, or `signal` is aborted. */
  async more(signal: AbortSignal): Promise<void> {
    while (this.from >= this.tail.head && !signal.aborted) await this.tail.grown(signal);
  }

  /** The next commits, at least one; waits for them. Empty once `signal` is aborted. @throws ChainBroken */
  async next(signal: AbortSignal): Promise<readonly Commit[]> {
    for (;;) {
      await this.more(signal);
      if (signal.aborted) break;
      const kept = this.tail.after(this.from);
      const commits = kept ?? (await this.fromLog(signal));
      if (kept) this.closeReader();
      // What the log gives may not be acknowledged here yet: it is the same commit, only the answer is still on its way.
      if (commits.length === 0) continue;
      this.from = (commits.at(-1) as Commit).commit;
      this.tail.taken();
      return commits;
    }
    this.closeReader();
    return [];
  }

  close(): void {
    this.closeReader();
    this.tail.closed(this);
  }

  private async fromLog(signal: AbortSignal): Promise<readonly Commit[]> {
    this.reader ??= new CommitReader(this.source, this.address, { from: this.from });
    const { reader } = this;
    const close = (): void => reader.close();
    signal.addEventListener('abort', close);
    try {
      return await reader.next();
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  private closeReader(): void {
    this.reader?.close();
    this.reader = undefined;
  }
}
