import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.js';
import { reachableBinaries, unprivilegedAccount, type Account } from './postgres-binary.js';
import { handleOf, type ServerHandle } from './server-handle.js';
import { ServerProcess } from './server-process.js';
import { orphanGone, readState, removeState, writeState, type ServerState } from './state-file.js';

export interface PostgresOptions {
  /** Holds the cluster, its password, log and state file; made where it is not. */
  dataDir: string;
  /** Default: a free one, kept over restarts. */
  port?: number;
  /** `flush` turns fsync off: for tests only, a power loss may corrupt it. Default `fsync`. */
  durability?: 'fsync' | 'flush';
  /** `dataDir` is removed when this process dies without stopping the server. */
  scratch?: boolean;
}

/** A PostgreSQL that dies with this process. `url` is `postgres://writ:<password>@127.0.0.1:<port>/writ`, of a superuser of this cluster. */
export type PostgresServer = ServerHandle;

/** Small on purpose: a laptop runs this beside everything else. */
const settings = {
  shared_buffers: '32MB',
  max_connections: 100,
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '256MB',
  max_worker_processes: 4,
  autovacuum_max_workers: 1,
  huge_pages: 'off',
  jit: 'off',
};

/** @throws Error where another process serves this `dataDir`, or the server does not come up */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dataDir = path.resolve(options.dataDir);
  const stateFile = path.join(dataDir, 'postgres.json');
  await orphanGone(stateFile);
  const other = await runningPostgres(dataDir);
  if (other) throw new Error(`a PostgreSQL (process ${other.pid}) already serves ${dataDir}`);
  const account = unprivilegedAccount();
  const { native, version } = await reachableBinaries(account);
  const password = await cluster(dataDir, native, account);
  const durability = options.durability ?? 'fsync';

  let port = options.port ?? (await freePort());
  const url = (): string => `postgres://writ:${password}@127.0.0.1:${port}/writ`;
  const launch = async (attempts = 20): Promise<ServerProcess> => {
    try {
      const launched = await serve({
        dataDir,
        native,
        account,
        port,
        url: url(),
        durability,
        scratch: options.scratch,
      });
      await writeState(stateFile, { pid: launched.pid, url: url(), version, durability, name: 'postgres' });
      return launched;
    } catch (error) {
      // Somebody else may take a free port before we do; and what a killed server leaves goes within a second.
      const portTaken = String(error).includes('could not bind');
      if (attempts === 0 || !(portTaken || String(error).includes('still in use'))) throw error;
      if (portTaken && options.port === undefined) port = await freePort();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return launch(attempts - 1);
    }
  };
  const first = await launch(); // which may choose another port
  return handleOf({ url: url(), version, durability }, first, launch, async () => {
    await removeState(stateFile);
    if (options.scratch) await rm(dataDir, { recursive: true, force: true });
  });
}

interface Launch {
  dataDir: string;
  native: string;
  account: Account | undefined;
  port: number;
  url: string;
  durability: 'fsync' | 'flush';
  scratch: boolean | undefined;
}

/** Starts the server once, and makes the database `writ` where it is not. */
async function serve({ dataDir, native, account, port, url, durability, scratch }: Launch): Promise<ServerProcess> {
  const relaxed = durability === 'flush' ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {};
  const named = Object.entries({ ...settings, ...relaxed, port }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const place = location(dataDir, account);
  const server = await ServerProcess.start({
    name: 'postgres',
    binary: path.join(native, 'bin/postgres'),
    args: ['-D', place.data, ...named],
    options: { ...place.options, ...account },
    logFile: path.join(dataDir, 'postgres.log'),
    signal: 'INT',
    ...(scratch ? { scratch: dataDir } : {}),
    ready: () => connects(url.replace(/writ$/, 'postgres')),
  });
  await database(url);
  return server;
}

/** The server that another process started on this `dataDir`, where it answers. */
export async function runningPostgres(dataDir: string): Promise<ServerState | undefined> {
  const state = await readState(path.join(path.resolve(dataDir), 'postgres.json'));
  return state && (await connects(state.url)) ? state : undefined;
}

/** Makes the cluster where there is none, and gives the password of its user `writ`. */
async function cluster(dataDir: string, native: string, account: Account | undefined): Promise<string> {
  const data = path.join(dataDir, 'cluster');
  const secret = path.join(dataDir, 'password');
  const made = await readFile(path.join(dataDir, 'made'), 'utf8').catch(() => undefined);
  if (made !== undefined) return (await readFile(secret, 'utf8')).trim();

  await rm(data, { recursive: true, force: true }); // a cluster that was interrupted while it was made
  await mkdir(data, { recursive: true, mode: 0o700 });
  await chmod(dataDir, 0o711); // the account passes through; what is in it guards itself
  await writeFile(secret, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (account) for (const owned of [data, secret]) await chown(owned, account.uid, account.gid);

  const place = location(dataDir, account);
  const common = [
    '--username=writ',
    `--pwfile=${place.secret}`,
    '--auth=scram-sha-256',
    '--no-sync',
    '--no-instructions',
  ];
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  await run(path.join(native, 'bin/initdb'), ['-D', place.data, ...common, ...locale], {
    ...place.options,
    ...account,
  });
  await writeFile(path.join(dataDir, 'made'), '');
  return (await readFile(secret, 'utf8')).trim();
}

/**
 * How the server is told where its data are. Under another account an absolute path may lead through a folder that the
 * account may not enter (a clone in `/root`); the working directory is entered before the account changes, and on Linux
 * `/proc/self/cwd` names it without its parents.
 */
function location(dataDir: string, account: Account | undefined) {
  const cwd = path.join(dataDir, 'cluster');
  const env = { LC_ALL: 'C', PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
  const data = account && process.platform === 'linux' ? '/proc/self/cwd' : cwd;
  return { data, secret: `${data}/../password`, options: { cwd, env } };
}

async function run(binary: string, args: string[], options: object): Promise<void> {
  const child = spawn(binary, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  );
  if (code !== 0) throw new Error(`${path.basename(binary)} failed with ${code}:\n${output}`);
}

async function connects(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function database(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.replace(/writ$/, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = 'writ'");
    if (rowCount === 0) await client.query('create database writ');
  } finally {
    await client.end();
  }
}
