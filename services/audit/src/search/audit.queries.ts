import type { ServiceName } from '@writ/ledger/domain';
import { readTenant } from '@writ/platform';
import type { DataSource } from 'typeorm';

/** One leaf of the record. */
export interface LeafRow {
  /** Index of the leaf. */
  readonly leaf: number;
  readonly service: ServiceName;
  readonly partition: number;
  readonly commit: number;
  readonly index: number;
  /** The exact line. */
  readonly line: string;
}

/** What to look for; absent fields match everything. */
export interface Search {
  readonly tenant: string;
  readonly agent?: string;
  /** Events of the run and those that were recorded for it. */
  readonly run?: string;
  /** Exact, or a prefix that ends in `*`. */
  readonly type?: string;
  readonly subject?: string;
  readonly from?: Date;
  readonly to?: Date;
  /** Leaf to continue behind. */
  readonly after?: number;
  readonly ascending: boolean;
  readonly limit: number;
}

const COLUMNS = 'leaf::float8 AS leaf, service, partition, commit::float8 AS commit, index, line';

/** Reads of the index. Every one names the tenant. */
export class AuditQueries {
  constructor(private readonly dataSource: DataSource) {}

  search(search: Search): Promise<LeafRow[]> {
    const values: unknown[] = [search.tenant];
    const where = ['tenant = $1'];
    const add = (condition: string, value: unknown) => {
      if (value === undefined) return;
      values.push(value);
      where.push(condition.replaceAll('?', `$${values.length}`));
    };
    add('principal = ?', search.agent);
    add('(run = ? OR subject = ?)', search.run);
    add('subject = ?', search.subject);
    add('time >= ?', search.from);
    add('time < ?', search.to);
    if (search.type?.endsWith('*')) add('starts_with(type, ?)', search.type.slice(0, -1));
    else add('type = ?', search.type);
    add(search.ascending ? 'leaf > ?' : 'leaf < ?', search.after);
    values.push(search.limit);
    return readTenant(this.dataSource, search.tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM leaf WHERE ${where.join(' AND ')} ORDER BY leaf ${search.ascending ? '' : 'DESC'} LIMIT $${values.length}`,
        values,
      ),
    );
  }

  async byId(tenant: string, id: string): Promise<LeafRow | undefined> {
    const rows: LeafRow[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM leaf WHERE tenant = $1 AND id = $2`, [tenant, id]),
    );
    return rows[0];
  }

  /** Whether the index has this commit. */
  async has(service: string, partition: number, commit: number): Promise<boolean> {
    const rows: unknown[] = await this.dataSource.query(
      'SELECT 1 FROM sealed_commit WHERE service = $1 AND partition = $2 AND commit = $3',
      [service, partition, commit],
    );
    return rows.length > 0;
  }
}
