import type { Projection } from '@writ/ledger';
import { readAllTenants, readTenant } from '@writ/platform';
import type { DataSource } from 'typeorm';
import type { Retention } from './retention.js';

export interface RetentionRow {
  readonly tenant: string;
  readonly retention: Retention;
  readonly updatedMs: number;
  readonly partition: number;
}

/** A projection of the partition that keeps the rules of tenants beside its own. */
export function withRetention(projection: Projection): Projection {
  return {
    ...projection,
    async apply(events, manager) {
      await projection.apply(events, manager);
      for (const { event, position } of events)
        if (event.type === 'retention.set.v1')
          await manager.query(
            `insert into retention (tenant, retention, updated_ms, partition) values ($1, $2, $3, $4)
             on conflict (tenant) do update set retention = excluded.retention, updated_ms = excluded.updated_ms`,
            [event.tenant, JSON.stringify(event.data), Date.parse(event.time), position.partition],
          );
    },
    async reset(partition, manager) {
      await projection.reset?.(partition, manager);
      await manager.query('delete from retention where partition = $1', [partition]);
    },
  };
}

const columns = 'tenant, retention, updated_ms::float8 as "updatedMs", partition';

/** Reads of the rules. */
export class RetentionTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string): Promise<RetentionRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select ${columns} from retention where tenant = $1`, [tenant]),
    );
    return (rows as RetentionRow[])[0];
  }

  /** Of all tenants. */
  all(): Promise<RetentionRow[]> {
    return readAllTenants(this.dataSource, (manager) => manager.query(`select ${columns} from retention`));
  }
}
