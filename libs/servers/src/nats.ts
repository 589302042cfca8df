import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { atLeast, versionOf } from './executables.js';
import { findNatsServer, fsyncSince } from './nats-binary.js';
import { natsConfiguration, type NatsMembership, type NatsUser } from './nats-configuration.js';
import { handleOf, type ServerHandle } from './server-handle.js';
import { ServerProcess } from './server-process.js';
import { orphanGone, readState, removeState, writeState, type ServerState } from './state-file.js';

export interface NatsOptions {
  /** Holds streams, configuration, log and state file; made where it is not. */
  dataDir: string;
  /** Default 127.0.0.1. */
  host?: string;
  /** Default: a free one, kept over restarts. */
  port?: number;
  /** What an acknowledgement promises; `fsync` is the default and becomes `flush` where the server cannot do it. */
  durability?: 'fsync' | 'flush';
  /** Default: `findNatsServer()`. */
  binary?: string;
  users?: readonly NatsUser[];
  /** `dataDir` is removed when this process dies without stopping the server. */
  scratch?: boolean;
  /** Where the streams lie; default `jetstream` in `dataDir`. */
  storeDir?: string;
  /** What they may take there, bytes; default: what NATS finds. */
  maxFileStore?: number;
  /** A member of a cluster keeps its name, or the others take it for a new one. Default: a new name. */
  name?: string;
  cluster?: NatsMembership;
  /** `host:port` of its HTTP monitor; default: none. */
  monitor?: string;
  /** Runs the server in it: a network namespace's name, as `ip netns` knows it. Needs root. */
  namespace?: string;
}

/** A nats-server with JetStream that dies with this process. `url` is `nats://<host>:<port>`, without credentials. */
export type NatsServer = ServerHandle;

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

  const { name = `writ-${randomUUID()}`, host = '127.0.0.1', namespace } = options;
  let port = options.port;
  const launch = async (): Promise<ServerProcess> => {
    const config = path.join(dataDir, 'nats.conf');
    const { users, cluster, monitor, maxFileStore, storeDir = path.join(dataDir, 'jetstream') } = options;
    const place = { host, port: port ?? -1, storeDir, portsDir: dataDir };
    const text = natsConfiguration({ name, ...place, durability, users, cluster, monitor, maxFileStore });
    await writeFile(config, text, { mode: 0o600 });
    const launched = await ServerProcess.start({
      name: 'nats-server',
      ...(namespace === undefined
        ? { binary, args: ['--config', config] }
        : { binary: 'ip', args: ['netns', 'exec', namespace, binary, '--config', config] }), // it becomes the server
      logFile: path.join(dataDir, 'nats.log'),
      signal: 'TERM',
      ...(options.scratch ? { scratch: dataDir } : {}),
      ready: async (pid) =>
        (port ??= await chosenPort(dataDir, binary, pid)) !== undefined && (await greeting(host, port)) === name,
    });
    await writeState(stateFile, { pid: launched.pid, url: urlOf(host, port), version, durability, name });
    return launched;
  };

  const first = await launch(); // which chooses the port
  return handleOf({ url: urlOf(host, port), version, durability }, first, launch, async () => {
    await removeState(stateFile);
    if (options.scratch) await rm(dataDir, { recursive: true, force: true });
  });
}

/** The server that another process started on this `dataDir`, where it answers. */
export async function runningNats(dataDir: string): Promise<ServerState | undefined> {
  const state = await readState(path.join(path.resolve(dataDir), 'nats.json'));
  if (!state) return undefined;
  const { hostname, port } = new URL(state.url);
  return (await greeting(hostname, Number(port))) === state.name ? state : undefined;
}

/** With `port: -1` the server chooses, and says so in a file named after its program and process. */
async function chosenPort(dataDir: string, binary: string, pid: number): Promise<number | undefined> {
  const text = await readFile(path.join(dataDir, `${path.basename(binary)}_${pid}.ports`), 'utf8').catch(() => '');
  const listed = text.includes('}') ? (JSON.parse(text) as { nats?: string[] }).nats?.[0] : undefined;
  return listed === undefined ? undefined : Number(new URL(listed).port);
}

/** The name of the server on that port: it says `INFO {…}` by itself, and only after JetStream has recovered. */
async function greeting(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
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

function urlOf(host: string, port: number | undefined): string {
  return `nats://${host}:${port}`;
}
