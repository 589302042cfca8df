import { prepareCheckpoints } from '@writ/ledger';
import { DataSource, type EntitySchema } from 'typeorm';
import { inTurn, migrate, type MigrationClass } from './migrations.js';
import { prepareRole, refuseExemptRole, serviceRole, type ServiceRole } from './service-role.js';
import { guardTenants } from './tenant-policies.js';

export interface PostgresOptions {
  /** Of the owner of the database: who may make schemas and roles in it. */
  url: string;
  /** The service's own; made where it is missing. */
  schema: string;
  entities: readonly (EntitySchema | (new () => object))[];
  migrations: readonly MigrationClass[];
  /** How long to wait for a server that is still starting; default 30 s. */
  patienceMs?: number;
}

/**
 * Opens the service's part of the database, with its schema up to date and first on the search path. Migrations run as the
 * owner of the database, whose URL is given; what is returned works as the service's own role, which row-level security binds.
 */
export async function openPostgres(options: PostgresOptions): Promise<DataSource> {
  const role = serviceRole(options.url, options.schema);
  await prepare(options, role);
  const dataSource = sourceOf({ ...options, url: role.url }, 8);
  await dataSource.initialize();
  try {
    await refuseExemptRole(dataSource);
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
  return dataSource;
}

/** What the owner does before the service may work. */
async function prepare(options: PostgresOptions, role: ServiceRole): Promise<void> {
  const { schema, migrations } = options;
  const owner = sourceOf({ ...options, entities: [] }, 2);
  await patiently(() => owner.initialize(), options.patienceMs ?? 30_000);
  try {
    await inTurn(owner, async (runner) => {
      await migrate(runner, schema, migrations);
      await prepareCheckpoints(owner);
      await guardTenants(runner, schema);
      await prepareRole(runner, schema, role);
    });
  } finally {
    await owner.destroy();
  }
}

function sourceOf({ url, schema, entities }: PostgresOptions, poolSize: number): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    schema,
    entities: [...entities],
    synchronize: false,
    installExtensions: false,
    applicationName: `writ-${schema}`,
    poolSize,
    extra: { options: `-c search_path="${schema}",public` },
  });
}

/** `ECONNREFUSED`: not listening yet; `57P03`: starting up. Anything else will not get better by waiting. */
const starting = new Set(['ECONNREFUSED', '57P03']);

async function patiently(open: () => Promise<unknown>, patienceMs: number): Promise<void> {
  const end = Date.now() + patienceMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
    try {
      await open();
      return;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (!starting.has(code) || Date.now() + pauseMs > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
