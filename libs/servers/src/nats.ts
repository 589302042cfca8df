import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { atLeast, versionOf } from './executables.js';
import { findNatsServer, fsyncSince } from './nats-binary.js';
import { handleOf, type ServerHandle } from './server-handle.js';
import { ServerProcess } from './server-process.js';
import { orphanGone, readState, removeState, writeState, type ServerState } from './state-file.js';

/** One user of the server; without any, everybody on this machine may do everything. */
export interface NatsUser {
  user: string;
  password: string;
  /** Users of different accounts share no subject and no stream; default: one account for all. */
  account?: string;
  /** NATS's own permissions block, for example `{ publish: { deny: ['$JS.API.STREAM.PURGE.>'] } }`. */
  permissions?: Record<string, unknown>;
}

export interface NatsOptions {
  /** Holds streams, configuration, log and state file; made where it is not. */
  dataDir: string;
  /** Default: a free one, kept over restarts. */
  port?: number;
  /** What an acknowledgement promises; `fsync` is the default and becomes `flush` where the server cannot do it. */
  durability?: 'fsync' | 'flush';
  /** Default: `findNatsServer()`. */
  binary?: string;
  users?: readonly NatsUser[];
  /** `dataDir` is removed when this process dies without stopping the server. */
  scratch?: boolean;
}

/** A nats-server with JetStream that dies with this process. `url` is `nats://127.0.0.1:<port>`, without credentials. */
export type NatsServer = ServerHandle;

const mebibyte = 1024 * 1024;

/** @throws Error where another process serves this `dataDir`, there is no binary, or the server does not come up */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const dataDir = path.resolve(options.dataDir);
  const stateFile = path.join(dataDir, 'nats.json');
  await orphanGone(stateFile);
  const other = await runningNats(dataDir);
  if (other) throw new Error(`a nats-server (process ${other.pid}) already serves ${dataDir} at ${other.url}`);
  await mkdir(dataDir, { recursive: true });
  const binary = options.binary ?? (await findNatsServer()).path;
  const version = await versionOf(binary);
  if (version === undefined) throw new Error(`${binary} is not a nats-server that runs here`);
  const durability: NatsServer['durability'] =
    options.durability !== 'flush' && atLeast(version, fsyncSince) ? 'fsync' : 'flush';

  const name = `writ-${randomUUID()}`;
  let port = options.port;
  const launch = async (): Promise<ServerProcess> => {
    const config = path.join(dataDir, 'nats.conf');
    const { users } = options;
    const place = { host: '127.0.0.1', port: port ?? -1, storeDir: path.join(dataDir, 'jetstream'), portsDir: dataDir };
    await writeFile(config, natsConfiguration({ name, ...place, durability, users }), { mode: 0o600 });
    const launched = await ServerProcess.start({
      name: 'nats-server',
      binary,
      args: ['--config', config],
      logFile: path.join(dataDir, 'nats.log'),
      signal: 'TERM',
      ...(options.scratch ? { scratch: dataDir } : {}),
      ready: async (pid) =>
        (port ??= await chosenPort(dataDir, binary, pid)) !== undefined && (await greeting(port)) === name,
    });
    await writeState(stateFile, { pid: launched.pid, url: urlOf(port), version, durability, name });
    return launched;
  };

  const first = await launch(); // which chooses the port
  return handleOf({ url: urlOf(port), version, durability }, first, launch, async () => {
    await removeState(stateFile);
    if (options.scratch) await rm(dataDir, { recursive: true, force: true });
  });
}

/** The server that another process started on this `dataDir`, where it answers. */
export async function runningNats(dataDir: string): Promise<ServerState | undefined> {
  const state = await readState(path.join(path.resolve(dataDir), 'nats.json'));
  if (!state) return undefined;
  return (await greeting(Number(new URL(state.url).port))) === state.name ? state : undefined;
}

/** What a configuration is made of; also for a server that somebody else starts, as in a container. */
export interface NatsConfiguration {
  name: string;
  host: string;
  /** -1: the server chooses, and writes its choice into `portsDir`. */
  port: number;
  storeDir: string;
  portsDir?: string;
  durability: 'fsync' | 'flush';
  users?: readonly NatsUser[] | undefined;
}

/** The text of a configuration file; NATS reads JSON as its own format. */
export function natsConfiguration(spec: NatsConfiguration): string {
  const settings = {
    server_name: spec.name,
    host: spec.host,
    port: spec.port,
    ...(spec.portsDir === undefined ? {} : { ports_file_dir: spec.portsDir }),
    max_payload: 8 * mebibyte,
    max_pending: 64 * mebibyte,
    jetstream: {
      store_dir: spec.storeDir,
      max_memory_store: 256 * mebibyte,
      ...(spec.durability === 'fsync' ? { sync_interval: 'always' } : {}),
    },
    ...authorization(spec.users ?? []),
  };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

function authorization(users: readonly NatsUser[]): Record<string, unknown> {
  if (users.length === 0) return {};
  const accounts = new Map<string, unknown[]>();
  for (const { account = 'writ', ...user } of users) {
    accounts.set(account, [...(accounts.get(account) ?? []), user]);
  }
  const entries = [...accounts].map(([name, members]) => [name, { jetstream: 'enabled', users: members }]);
  // The default of 2 s is too short for a client whose process is busy loading: the stack would not come up on a busy machine.
  return { authorization: { timeout: 30 }, accounts: Object.fromEntries(entries) };
}

/** With `port: -1` the server chooses, and says so in a file named after its program and process. */
async function chosenPort(dataDir: string, binary: string, pid: number): Promise<number | undefined> {
  const text = await readFile(path.join(dataDir, `${path.basename(binary)}_${pid}.ports`), 'utf8').catch(() => '');
  const listed = text.includes('}') ? (JSON.parse(text) as { nats?: string[] }).nats?.[0] : undefined;
  return listed === undefined ? undefined : Number(new URL(listed).port);
}

/** The name of the server on that port: it says `INFO {…}` by itself, and only after JetStream has recovered. */
async function greeting(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const settle = (data?: Buffer): void => {
      socket.destroy();
      resolve(/"server_name":"([^"]*)"/.exec(data?.toString() ?? '')?.[1]);
    };
    socket.setTimeout(1_000, settle);
    socket.once('data', settle);
    socket.once('error', () => settle());
    socket.once('end', settle);
  });
}

function urlOf(port: number | undefined): string {
  return `nats://127.0.0.1:${port}`;
}
