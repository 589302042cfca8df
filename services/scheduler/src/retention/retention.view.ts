import { readAllTenants, readTenant } from '@writ/platform';
import type { DataSource } from 'typeorm';
import type { Beside } from '../view/beside.js';
import type { Retention } from './retention.js';

export interface RetentionRow {
  readonly tenant: string;
  readonly retention: Retention;
  readonly updatedMs: number;
  readonly partition: number;
}

/** The table of rules, beside that of runs. */
export const retentionBeside: Beside = {
  table: 'retention',
  events: 'retention.set.v1',
  async apply(events, manager) {
    for (const { event, position } of events)
      await manager.query(
        `insert into retention (tenant, retention, updated_ms, partition) values ($1, $2, $3, $4)
         on conflict (tenant) do update set retention = excluded.retention, updated_ms = excluded.updated_ms`,
        [event.tenant, JSON.stringify(event.data), Date.parse(event.time), position.partition],
      );
  },
};

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
