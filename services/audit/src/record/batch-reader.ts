import type { Commit, Ledger } from '@writ/ledger';
import type { Batch } from './record.events.js';
import { partitionKey } from './record.js';
import type { SealedCommits } from './sealed-commits.js';

interface Open {
  readonly commits: AsyncGenerator<Commit>;
  next: number;
}

/**
 * Reads batches in the order of the record. Each partition is read once, however many batches it is cut into: a reader of its
 * own for each would make a consumer at the broker for every second that the installation was ever busy.
 */
export class BatchReader implements AsyncDisposable {
  private readonly open = new Map<string, Open>();

  /** @param sealed what need not be read */
  constructor(
    private readonly ledger: Pick<Ledger, 'read'>,
    private readonly sealed?: SealedCommits,
  ) {}

  /** @throws Error where the partition ends before the batch does; ChainBroken */
  async *read({ service, partition, from, to }: Batch): AsyncGenerator<Commit> {
    for (let next = from; next <= to; next++)
      yield this.sealed?.take(service, partition, next) ?? (await this.stored(service, partition, next));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.open.values()].map(({ commits }) => commits.return(undefined)));
  }

  private async stored(service: string, partition: number, commit: number): Promise<Commit> {
    const key = partitionKey(service, partition);
    const reader = await this.at(key, service, partition, commit);
    const { value, done } = await reader.commits.next();
    if (done) throw new Error(`${key} ends before commit ${commit}, which is in the record`);
    reader.next++;
    return value;
  }

  private async at(key: string, service: string, partition: number, from: number): Promise<Open> {
    const known = this.open.get(key);
    if (known?.next === from) return known;
    await known?.commits.return(undefined);
    const commits = this.ledger.read(service, partition, { from: from - 1 })[Symbol.asyncIterator]();
    const opened = { commits: commits as AsyncGenerator<Commit>, next: from };
    this.open.set(key, opened);
    return opened;
  }
}
