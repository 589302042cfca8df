import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from './free-port.js';
import { startNats, type NatsOptions, type NatsServer } from './nats.js';

export interface NatsClusterOptions extends Pick<
  NatsOptions,
  'dataDir' | 'durability' | 'binary' | 'users' | 'scratch'
> {
  /** How many; default 3. */
  size?: number;
  /** A network namespace and an address in it for each, so that one can be cut off. Default: all on loopback. */
  places?: readonly { namespace: string; host: string }[];
}

/** Several nats-servers that are one: each can be killed, paused and started again by itself. */
export interface NatsCluster extends AsyncDisposable {
  /** All of them, separated by commas. */
  readonly url: string;
  readonly servers: readonly NatsServer[];
  readonly version: string;
  readonly durability: 'fsync' | 'flush';
  /** All know each other, have a leader and are up to date: streams can be made. */
  healthy(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const clientPort = 4222;
const routePort = 6222;
const monitorPort = 8222;

/** @throws Error where one of them does not come up, or they do not find each other */
export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const { dataDir, size = 3, places, ...same } = options;
  const members = await Promise.all(Array.from({ length: size }, (_, index) => placeOf(places?.[index])));
  const routes = members.map(({ host, ports }) => `nats://${host}:${ports.route}`);
  // Names that are the same when the cluster is started again on its data, and no other cluster's on this machine.
  const name = `writ-${createHash('sha256').update(path.resolve(dataDir)).digest('hex').slice(0, 12)}`;
  const password = randomBytes(24).toString('base64url');
  const started = await Promise.allSettled(
    members.map(({ ports, ...place }, index) =>
      startNats({
        ...same,
        ...place,
        dataDir: path.join(dataDir, `${index + 1}`),
        name: `${name}-${index + 1}`,
        port: ports.client,
        monitor: `${place.host}:${ports.monitor}`,
        cluster: { name, port: ports.route, routes, password },
      }),
    ),
  );
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    if (options.scratch) await rm(dataDir, { recursive: true, force: true });
  };
  const monitors = members.map(({ host, ports }) => `http://${host}:${ports.monitor}/healthz`);
  const healthy = async (timeoutMs = 30_000): Promise<void> => {
    await Promise.all(monitors.map((monitor) => untilHealthy(monitor, timeoutMs)));
  };
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason as Error;
    await healthy();
  } catch (error) {
    await stop();
    throw error;
  }
  const [{ version, durability }] = servers as [NatsServer];
  const url = servers.map((server) => server.url).join(',');
  return { url, servers, version, durability, healthy, stop, [Symbol.asyncDispose]: stop };
}

interface Place {
  host: string;
  namespace?: string;
  ports: { client: number; route: number; monitor: number };
}

/** On loopback every port must be a free one; in a namespace of its own all are. */
async function placeOf(given: { namespace: string; host: string } | undefined): Promise<Place> {
  if (given) return { ...given, ports: { client: clientPort, route: routePort, monitor: monitorPort } };
  const [client, route, monitor] = await Promise.all([freePort(), freePort(), freePort()]);
  return { host: '127.0.0.1', ports: { client, route, monitor } };
}

async function untilHealthy(monitor: string, timeoutMs: number): Promise<void> {
  let last: unknown = 'nothing';
  for (const until = performance.now() + timeoutMs; performance.now() < until;) {
    try {
      const response = await fetch(monitor, { signal: AbortSignal.timeout(2_000) });
      if (response.ok) return;
      last = await response.text();
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the nats-server at ${monitor} was not healthy within ${timeoutMs} ms: ${String(last)}`);
}
