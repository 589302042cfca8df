import { readTenant } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { Beside, Projected } from '../view/beside.js';
import { evolve, type Batch } from './batch.js';

/** A batch as the table has it: the state that its owner has, folded by the same function. */
export interface BatchRow {
  readonly id: string;
  readonly batch: Batch;
}

/** The table of batches, beside that of runs. */
export const batchesBeside: Beside = { table: 'batches', events: 'batch.', apply: applyBatches };

async function applyBatches(events: Projected, manager: EntityManager): Promise<void> {
  const found = new Map<string, { tenant: string; id: string; partition: number; batch: Batch | undefined }>();
  for (const { event, position } of events) {
    const { tenant, subject: id, type, data, time } = event;
    const key = `${tenant}/${id}`;
    let row = found.get(key);
    if (!row)
      found.set(key, (row = { tenant, id, partition: position.partition, batch: await stored(tenant, id, manager) }));
    row.batch = evolve(row.batch, { type, data, timeMs: Date.parse(time) });
  }
  for (const { tenant, id, partition, batch } of found.values())
    if (batch)
      await manager.query(
        `insert into batches (tenant, id, created_ms, batch, partition) values ($1, $2, $3, $4, $5)
         on conflict (tenant, id) do update set batch = excluded.batch`,
        [tenant, id, batch.createdMs, JSON.stringify(batch), partition],
      );
}

async function stored(tenant: string, id: string, manager: EntityManager): Promise<Batch | undefined> {
  const rows: unknown = await manager.query('select batch from batches where tenant = $1 and id = $2', [tenant, id]);
  return (rows as BatchRow[])[0]?.batch;
}

/** Reads of the table of batches. */
export class BatchesTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<BatchRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('select id, batch from batches where tenant = $1 and id = $2', [tenant, id]),
    );
    return (rows as BatchRow[])[0];
  }

  /** Newest first, behind the given one. */
  async list(tenant: string, limit: number, after?: { createdMs: number; id: string }): Promise<BatchRow[]> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `select id, batch from batches where tenant = $1 and ($2::bigint is null or (created_ms, id) < ($2::bigint, $3))
         order by created_ms desc, id desc limit $4`,
        [tenant, after?.createdMs ?? null, after?.id ?? '', limit],
      ),
    );
    return rows as BatchRow[];
  }
}
