import type { Projection } from '@writ/ledger';
import pg from 'pg';
import type { DataSource, EntityManager } from 'typeorm';

/**
 * Whose rows a transaction may see. Every table with a column `tenant` has a policy that compares it with this setting
 * (`tenant-policies.ts`). It lives as long as the transaction; without it a query sees nothing and writes nothing.
 */
export const TENANT_SETTING = 'writ.tenant';

/** Stands for all tenants; none can have this id. */
export const ALL_TENANTS = '*';

/** Reads rows of one tenant, in a transaction of its own that cannot write. What the query forgets to filter, PostgreSQL does. */
export function readTenant<T>(
  dataSource: DataSource,
  tenant: string,
  read: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  if (tenant === '' || tenant === ALL_TENANTS) throw new TypeError(`'${tenant}' is not the id of a tenant`);
  return scoped(dataSource, tenant, read);
}

/** Reads rows of all tenants: for what concerns the installation, never for a caller who has a tenant. */
export function readAllTenants<T>(dataSource: DataSource, read: (manager: EntityManager) => Promise<T>): Promise<T> {
  return scoped(dataSource, ALL_TENANTS, read);
}

/** From here to its end the transaction of `manager` may write rows of all tenants. */
export async function writeAllTenants(manager: EntityManager): Promise<void> {
  await manager.query(`SET LOCAL ${TENANT_SETTING} = '${ALL_TENANTS}'`);
}

/** The projection with its transactions opened for the rows of all tenants: what it writes, the ledger has decided. */
export function overAllTenants(projection: Projection): Projection {
  return {
    ...projection,
    async apply(events, manager) {
      await writeAllTenants(manager);
      await projection.apply(events, manager);
    },
    async reset(partition, manager) {
      await writeAllTenants(manager);
      await projection.reset?.(partition, manager);
    },
  };
}

/** Three round trips, of which the caller waits for two: what was read is not changed by the end of the transaction. */
async function scoped<T>(
  dataSource: DataSource,
  tenant: string,
  read: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner();
  const end = (how: 'COMMIT' | 'ROLLBACK') =>
    runner
      .query(how)
      .catch(() => undefined) // the connection is gone, and the setting with it
      .finally(() => runner.release());
  try {
    await runner.query(`BEGIN READ ONLY; SET LOCAL ${TENANT_SETTING} = ${pg.escapeLiteral(tenant)}`);
    const result = await read(runner.manager);
    void end('COMMIT');
    return result;
  } catch (error) {
    await end('ROLLBACK');
    throw error;
  }
}
