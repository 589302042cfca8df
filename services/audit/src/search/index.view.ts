import type { Commit, Ledger, Projection } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { storable } from '@writ/platform';
import type { EntityManager } from 'typeorm';
import { BatchReader } from '../record/batch-reader.js';
import type { Sealed } from '../record/record.events.js';
import type { SealedCommits } from '../record/sealed-commits.js';

/** Name of the projection, for `Host.waitFor`. */
export const AUDIT_INDEX = 'index';

const ROWS_A_STATEMENT = 2_000;

/** Writes the index from the order that the record decided: files the lines of each batch of commits. */
export function auditIndex(ledger: Ledger, sealed?: SealedCommits): Projection {
  return {
    name: AUDIT_INDEX,
    events: ['record.sealed.v1'],
    async apply(events, manager) {
      await using sources = new BatchReader(ledger, sealed);
      for (const { event } of events) await file(sources, event, manager);
    },
    async reset(_partition, manager) {
      await manager.query('TRUNCATE leaf, sealed_commit');
    },
  };
}

async function file(sources: BatchReader, event: LedgerEvent, manager: EntityManager): Promise<void> {
  const { from, batches } = event.data as unknown as Sealed['data'];
  let leaf = from;
  let rows = new Rows();
  for (const batch of batches)
    for await (const commit of sources.read(batch)) {
      leaf = rows.add(commit, leaf);
      if (rows.size < ROWS_A_STATEMENT) continue;
      await rows.write(manager);
      rows = new Rows();
    }
  await rows.write(manager);
}

/** Columns of rows to come, since one statement with arrays is many times as fast as many statements. */
class Rows {
  private readonly leaves: unknown[][] = Array.from({ length: 12 }, () => []);
  private readonly lines: string[] = [];
  private readonly commits: unknown[][] = Array.from({ length: 5 }, () => []);

  get size(): number {
    return this.leaves[0]?.length ?? 0;
  }

  /** @returns the number of the next leaf */
  add(commit: Commit, leaf: number): number {
    const { service, partition } = commit;
    push(this.commits, [service, partition, commit.commit, commit.hash, commit.prev]);
    for (const [index, event] of commit.events.entries()) {
      this.lines.push(textOf(commit.lines[index] as Uint8Array));
      const { id, tenant, type, actor, time } = event;
      const run = runOf(event);
      const about = [storable(event.subject), storable(actor.principal), run === undefined ? null : storable(run)];
      const place = [service, partition, commit.commit, index];
      push(this.leaves, [leaf++, id, tenant, type, ...about, time, ...place]);
    }
    return leaf;
  }

  async write(manager: EntityManager): Promise<void> {
    if (this.size === 0) return;
    await manager.query(
      `INSERT INTO leaf (leaf, id, tenant, type, subject, principal, run, time, service, partition, commit, index, line)
       SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
         $8::timestamptz[], $9::text[], $10::int[], $11::bigint[], $12::int[], string_to_array($13, E'\\n'))
       ON CONFLICT DO NOTHING`,
      // As an array each quote in a line would be escaped here and read again there; no line has a line feed.
      [...this.leaves, this.lines.join('\n')],
    );
    await manager.query(
      `INSERT INTO sealed_commit (service, partition, commit, hash, prev)
       SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING`,
      this.commits,
    );
  }
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
}

/** The run whose token acted, or the one for which a service recorded it, such as an approval that a run waits for. */
function runOf({ actor, data }: LedgerEvent): string | undefined {
  if (actor.run !== undefined) return actor.run;
  const run = typeof data === 'object' && data !== null && !Array.isArray(data) ? data['run'] : undefined;
  return typeof run === 'string' ? run : undefined;
}

function push(columns: unknown[][], values: readonly unknown[]): void {
  for (const [at, value] of values.entries()) columns[at]?.push(value);
}
