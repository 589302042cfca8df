import { GrpcProxy, type CallObserver } from '@writ/api';
import { Replicas, startService, type RunningService, type ServiceContext } from '@writ/platform';
import type { FastifyInstance } from 'fastify';
import { parseConfig, type Config } from './config.js';
import { gatewayErrors } from './events/event.errors.js';
import { EventHub } from './events/event-hub.js';
import { GatewayModule } from './gateway.module.js';
import { serveHealth } from './health/services.js';
import { servePages } from './page/page.js';
import { Directory } from './routing/directory.js';
import { proxyHttp } from './routing/http-proxy.js';
import { HttpDoor } from './routing/http-door.js';
import { mustBeOwnOrigin } from './routing/origin.js';
import { implementedBy, isStream, serviceOfGrpc, servicesBehind } from './routing/routes.js';

/** Starts the gateway: the one door in front of every service. It owns no partition and no table. */
export async function start(env: Record<string, string | undefined>): Promise<RunningService> {
  const config = parseConfig(env);
  let replicas: Replicas | undefined;
  let directory: Directory | undefined;
  let hub: EventHub | undefined;
  let observer: CallObserver | undefined;
  let httpDoor: HttpDoor | undefined;
  let door: { httpUrl: string; grpcUrl: string } = { httpUrl: '', grpcUrl: '' };
  const running = await startService({
    name: 'gateway',
    config,
    entities: [],
    migrations: [],
    errors: [gatewayErrors],
    enforcement: 'follow',
    recordsIn: 'policy',
    title: 'Writ',
    documents: implementedBy.map(([service]) => service),
    module: (context) => GatewayModule.with((hub = new EventHub(context.ledger, context.log))),
    routes: async (context: ServiceContext<Config>, fastify) => {
      replicas = await Replicas.follow(context.ledger.nc, config.WRIT_STREAM_REPLICAS);
      directory = new Directory(replicas);
      context.health.tell(installation(context, directory, () => hub?.notFollowed() ?? []));
      watchDoor(context, directory, hub);
      httpDoor = guarded(fastify, context);
      proxyHttp(fastify, directory, (observer = context.observer));
      serveHealth(fastify, replicas);
      servePages(fastify, () => addressesOf(config, door, replicas));
    },
    stopping: async () => {
      replicas?.stop();
      await hub?.stop();
    },
  });
  const proxy = new GrpcProxy({
    host: config.WRIT_HOST,
    port: config.WRIT_DOOR_GRPC_PORT,
    graceMs: config.WRIT_GRACE_MS,
    streams: isStream,
    observe: (path, traceparent) => passing(observer, path, traceparent),
    targets: (path) => targetsOf(path, directory as Directory, running.grpcUrl),
  });
  const stop = async (): Promise<void> => {
    await Promise.all([proxy.close(), httpDoor?.close(config.WRIT_GRACE_MS)]);
    await running.stop();
  };
  try {
    const urlOf = (port: number): string => `http://${config.WRIT_HOST}:${port}`;
    const httpPort = await httpDoor?.listen(config.WRIT_HOST, config.WRIT_DOOR_HTTP_PORT ?? 0);
    const httpUrl = httpPort === undefined ? running.httpUrl : urlOf(httpPort);
    door = { httpUrl, grpcUrl: urlOf(await proxy.listen()) };
    return { ...running, ...door, stop };
  } catch (error) {
    await running.stop(); // a port is taken
    throw error;
  }
}

/** Where a client begins. */
function addressesOf(config: Config, door: { httpUrl: string; grpcUrl: string }, replicas: Replicas | undefined) {
  const schedulers = replicas?.up('scheduler') ?? [];
  return {
    issuer: config.WRIT_ISSUER,
    audience: config.WRIT_AUDIENCE,
    grpc: config.WRIT_PUBLIC_GRPC ?? door.grpcUrl,
    mcp: `${config.WRIT_PUBLIC_URL ?? door.httpUrl}/mcp`,
    ...(config.WRIT_WORKERS_DIRECT && { workers: schedulers.map(({ grpcUrl }) => grpcUrl) }),
  };
}

/** Lets in what is meant for this door. @returns the one for the outside, where it has a port of its own */
function guarded(fastify: FastifyInstance, { config, health }: ServiceContext<Config>): HttpDoor | undefined {
  fastify.addHook('onRequest', async ({ raw }) => mustBeOwnOrigin(raw, config.WRIT_PUBLIC_URL));
  if (config.WRIT_DOOR_HTTP_PORT === undefined) return undefined;
  return new HttpDoor(fastify, async () => (await health.read()).ready);
}

/** Paths are the callers' to choose, so that no metric may name one: only the service that it leads to. */
function passing(observer: CallObserver | undefined, path: string, traceparent: string | undefined) {
  const method = `gateway/${serviceOfGrpc(path) ?? 'gateway'}`;
  return observer?.begin({ method, transport: 'grpc', ...(traceparent && { traceparent }) });
}

function targetsOf(path: string, directory: Directory, own: string): string[] {
  const service = serviceOfGrpc(path) ?? 'gateway';
  return service === 'gateway' ? [own] : directory.replicasOf(service).map(({ grpcUrl }) => grpcUrl);
}

function watchDoor({ metrics }: ServiceContext<Config>, directory: Directory, hub: EventHub | undefined): void {
  metrics.gauges('writ_service_replicas', 'Replicas of each service that the door reaches.', ['of'], () =>
    directory.states(servicesBehind).map(({ name, replicas }) => [{ of: name }, replicas]),
  );
  metrics.gauge('writ_event_subscriptions', 'Subscriptions to events that are open.', () => hub?.subscriptions);
}

/**
 * What `/health/ready` of the door tells beyond its own state. A service that is missing does not close the door: the
 * others can be used, and calls to the missing one are refused by name.
 */
function installation(
  { ledger }: ServiceContext<Config>,
  directory: Directory,
  notFollowed: () => { partition: string; why: string }[],
): () => object {
  return () => {
    const services = directory.states(servicesBehind);
    return {
      natsServer: ledger.server.version,
      complete: services.every(({ replicas }) => replicas > 0),
      services,
      eventsMissing: notFollowed(),
    };
  };
}
