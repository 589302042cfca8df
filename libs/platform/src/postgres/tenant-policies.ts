import type { QueryRunner } from 'typeorm';
import { ALL_TENANTS, TENANT_SETTING } from './tenant-scope.js';

/** Its name changes with what it says, so that an older installation gets the new one. */
const POLICY = 'writ_tenant_1';

/** A setting that was made for one transaction is empty after it, not absent. */
const setting = `nullif(current_setting('${TENANT_SETTING}', true), '')`;

interface Table {
  readonly name: string;
  readonly forced: boolean;
  readonly policies: readonly string[];
}

/**
 * Puts every table of the schema that has a column `tenant` under row-level security, so that none can be forgotten. The
 * owner is not exempt either; only a superuser is, and no service works as one.
 */
export async function guardTenants(owner: QueryRunner, schema: string): Promise<void> {
  const tables: Table[] = await owner.query(
    `SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
       array(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid) AS policies
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
     WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')`,
    [`"${schema}"`],
  );
  // Only what is missing: each of these waits until nobody reads the table.
  for (const { name, forced, policies } of tables) {
    const table = `"${schema}"."${name}"`;
    const statements = [
      ...(forced ? [] : [`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`]),
      ...policies.filter((each) => each !== POLICY).map((each) => `DROP POLICY "${each}" ON ${table}`),
      ...(policies.includes(POLICY)
        ? []
        : [`CREATE POLICY ${POLICY} ON ${table} USING (tenant = ${setting} OR ${setting} = '${ALL_TENANTS}')`]),
    ];
    if (statements.length > 0) await owner.query(`BEGIN; ${statements.join('; ')}; COMMIT`);
  }
}
