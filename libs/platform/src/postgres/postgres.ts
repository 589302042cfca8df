import { DataSource, type EntitySchema } from 'typeorm';
import { migrate, type MigrationClass } from './migrations.js';

export interface PostgresOptions {
  url: string;
  /** The service's own; made where it is missing. */
  schema: string;
  entities: readonly (EntitySchema | (new () => object))[];
  migrations: readonly MigrationClass[];
  /** How long to wait for a server that is still starting; default 30 s. */
  patienceMs?: number;
}

/** Opens the service's part of the database, with its schema up to date and first on the search path. */
export async function openPostgres(options: PostgresOptions): Promise<DataSource> {
  const { url, schema } = options;
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    schema,
    entities: [...options.entities],
    synchronize: false,
    installExtensions: false,
    applicationName: `writ-${schema}`,
    poolSize: 8,
    extra: { options: `-c search_path="${schema}",public` },
  });
  await patiently(() => dataSource.initialize(), options.patienceMs ?? 30_000);
  try {
    await migrate(dataSource, schema, options.migrations);
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
  return dataSource;
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
