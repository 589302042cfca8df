import { hostname } from 'node:os';
import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { codeOf } from '../health/code.js';
import { ApiModule, fastifyOptions, GrpcServer, Kernel, ProblemFilter, type Authenticator } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { FastifyInstance } from 'fastify';
import type { BaseConfig } from '../config/config.js';
import { nestLog } from '../log/log.js';
import { CommandServer } from '../nest/command-server.js';
import { BLOBS, CONTEXT, DATA_SOURCE, ENFORCEMENT, HOST, LEDGER, LOGGER } from '../nest/tokens.js';
import { checkDoor } from './door-checks.js';
import type { ServiceContext, ServiceSpec } from './spec.js';

/** The Nest application of a service: HTTP, gRPC and commands. */
export interface Application {
  app: NestFastifyApplication;
  httpUrl: string;
  grpcUrl: string;
}

/**
 * Builds it and listens. What it has opened it closes with `app.close()`.
 * @param model the version of what reads its events
 */
export async function startApplication<C extends BaseConfig>(
  spec: ServiceSpec<C>,
  context: ServiceContext<C>,
  model?: number,
): Promise<Application> {
  const { config, log } = context;
  const kernel = new Kernel({
    authenticator: authenticatorOf(spec, context),
    log,
    observer: context.observer,
  });
  const api = ApiModule.with({
    kernel,
    title: spec.title ?? `Writ ${spec.name}`,
    ...(spec.documents && { documents: spec.documents }),
    ready: async () => (await context.health.read()).ready,
    graceMs: config.WRIT_GRACE_MS,
  });
  const root = rootModule([api, withProviders(spec.module(context), context)]);
  const app = await NestFactory.create<NestFastifyApplication>(root, new FastifyAdapter(fastifyOptions()), {
    logger: nestLog(log),
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(log));
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  checkDoor(fastify, config);
  mountOperations(fastify, context);
  await spec.routes?.(context, fastify);
  await app.init();
  const code = codeOf(kernel.services, model);
  context.health.tell(() => ({ code }));
  const grpc = new GrpcServer(kernel, {
    host: config.WRIT_HOST,
    port: config.WRIT_GRPC_PORT,
    graceMs: config.WRIT_GRACE_MS,
  });
  app.connectMicroservice({ strategy: grpc });
  if (context.host) app.connectMicroservice({ strategy: new CommandServer(context.host, () => grpc.close()) });
  await app.startAllMicroservices();
  await app.listen(config.WRIT_HTTP_PORT, config.WRIT_HOST);
  const port = new URL(await app.getUrl()).port;
  const advertised = advertisedHost(config);
  return { app, httpUrl: `http://${advertised}:${port}`, grpcUrl: `http://${advertised}:${grpc.port}` };
}

function rootModule(imports: DynamicModule[]): Type {
  class Root {}
  Module({ imports })(Root);
  return Root;
}

/** The service's module with what it may inject. Nothing is global: a module of another service would not see it. */
function withProviders<C extends BaseConfig>(module: Type | DynamicModule, context: ServiceContext<C>): DynamicModule {
  const dynamic: DynamicModule = 'module' in module ? module : { module };
  const values: readonly [symbol, unknown][] = [
    [CONTEXT, context],
    [LEDGER, context.ledger],
    [DATA_SOURCE, context.dataSource],
    [LOGGER, context.log],
    [ENFORCEMENT, context.enforcement],
    [HOST, context.host],
    [BLOBS, context.blobs],
  ];
  // By factory: a provider with the value `undefined` would count as malformed.
  const providers: Provider[] = values.map(([provide, value]) => ({ provide, useFactory: () => value }));
  return { ...dynamic, providers: [...(dynamic.providers ?? []), ...providers] };
}

function authenticatorOf<C extends BaseConfig>(spec: ServiceSpec<C>, context: ServiceContext<C>): Authenticator {
  if (typeof spec.enforcement === 'object') return spec.enforcement.authenticator;
  if (context.enforcement) return context.enforcement.authenticator;
  return {
    authenticate: async () => {
      throw refuse('auth.invalid_token', `${spec.name} serves public methods only`);
    },
  };
}

/** `/health/live`, `/health/ready`, `/metrics`: for whoever runs the process; the gateway does not route them. */
function mountOperations<C extends BaseConfig>(fastify: FastifyInstance, context: ServiceContext<C>): void {
  fastify.get('/health/live', async () => ({ live: true, service: context.name, replica: context.replica }));
  fastify.get('/health/ready', async (_request, reply) => {
    const readiness = await context.health.read();
    return reply
      .status(readiness.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(readiness);
  });
  fastify.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await context.metrics.text();
    return reply.type(contentType).send(body);
  });
}

function advertisedHost(config: BaseConfig): string {
  if (config.WRIT_ADVERTISE_HOST !== undefined) return config.WRIT_ADVERTISE_HOST;
  return config.WRIT_HOST === '0.0.0.0' || config.WRIT_HOST === '::' ? hostname() : config.WRIT_HOST;
}
