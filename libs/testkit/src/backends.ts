import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, type NatsServer, type NatsUser, type PostgresServer } from '@writ/servers';
import { natsContainer, useContainers } from './containers.js';
import { scratchDatabase } from './databases.js';
import { privatePostgres, runPostgresUrl } from './run-postgres.js';

export interface BackendOptions {
  /** Of nats-server; default `flush`, which is faster. */
  durability?: 'fsync' | 'flush';
  /** Default: none, everybody may do everything. */
  users?: readonly NatsUser[];
  /** A nats-server of your own choice, for example `(await findOldNatsServer())?.path`; always a child process. */
  binary?: string;
  /** A PostgreSQL of the suite's own, which it may kill (0.7 s); otherwise the run's, with a scratch database. */
  ownPostgres?: boolean;
}

/** What an integration test stands on. */
export interface Backends extends AsyncDisposable {
  /** A server of this suite alone: kill, pause, resume and restart it as you like. */
  readonly nats: NatsServer;
  /** A database of this suite alone, dropped by `stop`; its user is a superuser. */
  readonly postgresUrl: string;
  /** With `ownPostgres` only. */
  readonly postgres?: PostgresServer;
  stop(): Promise<void>;
}

/**
 * Real NATS and PostgreSQL for one suite: containers where Docker answers, child processes otherwise
 * (`WRIT_TEST_BACKENDS=processes|containers` decides by hand). Nothing of it outlives the test run.
 */
export async function startBackends(options: BackendOptions = {}): Promise<Backends> {
  const [nats, database] = await Promise.all([startSuiteNats(options), suiteDatabase(options)]);
  const stop = async (): Promise<void> => {
    await Promise.all([nats.stop(), database.drop()]);
  };
  const { url: postgresUrl, postgres } = database;
  return { nats, postgresUrl, ...(postgres ? { postgres } : {}), stop, [Symbol.asyncDispose]: stop };
}

/** A nats-server of its own, for tests that need no database or more than one server. */
export async function startSuiteNats(options: BackendOptions = {}): Promise<NatsServer> {
  if (options.binary === undefined && (await useContainers())) return natsContainer(options);
  const { durability = 'flush', users, binary } = options;
  return startNats({
    dataDir: await mkdtemp(path.join(tmpdir(), 'writ-test-nats-')),
    scratch: true,
    durability,
    ...(users ? { users } : {}),
    ...(binary ? { binary } : {}),
  });
}

interface SuiteDatabase {
  url: string;
  postgres?: PostgresServer;
  drop(): Promise<void>;
}

async function suiteDatabase({ ownPostgres }: BackendOptions): Promise<SuiteDatabase> {
  if (ownPostgres) {
    const postgres = await privatePostgres();
    return { url: postgres.url, postgres, drop: () => postgres.stop() };
  }
  const server = await runPostgresUrl();
  if (server) return scratchDatabase(server);
  const postgres = await privatePostgres(); // not started by the test runner: nobody has one to lend
  return { url: postgres.url, drop: () => postgres.stop() };
}
