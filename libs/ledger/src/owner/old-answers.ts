import type { LedgerEvent } from '../domain/events.js';
import { streamName } from '../domain/partitioning.js';
import { formatPosition } from '../domain/positions.js';
import type { PartitionAddress } from '../log/commit.js';
import type { LedgerSource } from '../source.js';
import type { Answer } from './answer.js';
import type { Seen } from './dedup.js';

const keptCommits = 16;

/**
 * Answers that were given before, read back from the log. After a fault thousands of commands are repeated at once, and a
 * commit holds hundreds of them: each commit is read once, and one after another. A read for each command would be more
 * than the broker holds for one connection, which it then closes, and the answers that were on it are asked for again.
 */
export class OldAnswers {
  private readonly source: LedgerSource;
  private readonly address: PartitionAddress;
  private readonly commits = new Map<number, Promise<readonly string[]>>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(source: LedgerSource, address: PartitionAddress) {
    this.source = source;
    this.address = address;
  }

  /** @throws Error when the log cannot be read */
  async find(seen: Seen): Promise<Answer> {
    const lines = (await this.linesOf(seen.commit)).slice(seen.index, seen.index + seen.count);
    const events = lines.map((line) => this.source.upcast(JSON.parse(line) as LedgerEvent));
    const position = formatPosition({ ...this.address, commit: seen.commit, index: seen.index + seen.count - 1 });
    return { position, lines: events.map((event) => JSON.stringify(event)), events, duplicate: true };
  }

  private linesOf(commit: number): Promise<readonly string[]> {
    let lines = this.commits.get(commit);
    if (lines) return lines;
    lines = this.last.then(() => this.read(commit));
    this.last = lines.catch(() => this.commits.delete(commit));
    this.commits.set(commit, lines);
    const [oldest] = this.commits.keys();
    if (this.commits.size > keptCommits && oldest !== undefined) this.commits.delete(oldest);
    return lines;
  }

  private async read(commit: number): Promise<readonly string[]> {
    const stream = streamName(this.address.service, this.address.partition);
    const stored = await this.source.jsm.streams.getMessage(stream, { seq: commit });
    if (stored === null) throw new Error(`commit ${commit} is gone`);
    return stored.string().split('\n');
  }
}
