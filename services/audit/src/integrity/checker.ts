import { createHash } from 'node:crypto';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { Ledger } from '@writ/ledger';
import { partitionsOf, streamName } from '@writ/ledger/domain';
import { readAllTenants } from '@writ/platform';
import type { DataSource } from 'typeorm';
import { compare, type CommitHash, type Problem } from './integrity.js';

const STREAM_NOT_FOUND = 10059;

/** What a check found. */
export interface Integrity {
  readonly problems: readonly Problem[];
  readonly commits: number;
  readonly treeSize: number;
  readonly time: Date;
}

/**
 * Compares what the broker has with what went into the record. It reads the streams raw, without the ledger's own reader,
 * which stops at the first broken link: here all that is wrong is to be found.
 */
export class IntegrityChecker {
  private last: Integrity | undefined;
  private running: Promise<Integrity> | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly dataSource: DataSource,
  ) {}

  /** Result of the last check; undefined before the first. */
  get latest(): Integrity | undefined {
    return this.last;
  }

  /** Reads everything again; callers at the same time share one reading. */
  check(): Promise<Integrity> {
    return (this.running ??= this.readAll().finally(() => (this.running = undefined)));
  }

  private async readAll(): Promise<Integrity> {
    const problems: Problem[] = [];
    let commits = 0;
    for (const [service, count] of Object.entries(partitionsOf))
      for (let partition = 0; partition < count; partition++) {
        const recorded = await this.recorded(service, partition);
        if (recorded.length === 0) continue;
        commits += recorded.length;
        problems.push(
          ...compare({ service, partition }, recorded, await this.stored(service, partition, recorded.length)),
        );
      }
    const [{ size }] = await readAllTenants(this.dataSource, (manager) =>
      manager.query('SELECT coalesce(max(leaf) + 1, 0)::float8 AS size FROM leaf'),
    );
    return (this.last = { problems, commits, treeSize: size, time: new Date() });
  }

  private recorded(service: string, partition: number): Promise<CommitHash[]> {
    return this.dataSource.query(
      'SELECT commit::float8 AS commit, hash FROM sealed_commit WHERE service = $1 AND partition = $2 ORDER BY commit',
      [service, partition],
    );
  }

  private async stored(service: string, partition: number, upTo: number): Promise<CommitHash[]> {
    const stream = streamName(service, partition);
    const manager = await jetstreamManager(this.ledger.nc);
    const info = await manager.streams.info(stream).catch((error: unknown) => {
      if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
      throw error;
    });
    if (info === undefined || info.state.messages === 0) return [];
    const found: CommitHash[] = [];
    const consumer = await jetstream(this.ledger.nc).consumers.get(stream);
    const messages = await consumer.consume();
    for await (const message of messages) {
      if (message.seq > upTo) break;
      found.push({ commit: message.seq, hash: createHash('sha256').update(message.data).digest('hex') });
      if (message.seq >= Math.min(upTo, info.state.last_seq) || message.info.pending === 0) break;
    }
    await messages.close();
    return found;
  }
}
