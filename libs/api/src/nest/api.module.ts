import type { ServerResponse } from 'node:http';
import { Inject, Module, type BeforeApplicationShutdown, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import type { DescService } from '@bufbuild/protobuf';
import { DiscoveryModule, DiscoveryService, HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { ServiceImplementation } from '../kernel/implementation.js';
import { Kernel } from '../kernel/kernel.js';
import { Health } from '@writ/proto/grpc/health/v1/health';
import { ServerReflection } from '@writ/proto/grpc/reflection/v1/reflection';
import { ServerReflection as ServerReflectionAlpha } from '@writ/proto/grpc/reflection/v1alpha/reflection';
import { healthService } from '../grpc/health.js';
import { reflectionServices } from '../grpc/reflection.js';
import { openApiDocument } from '../openapi/document.js';
import { RestTranscoder, type RestOptions } from '../rest/rest-transcoder.js';
import { servedBy } from './api-service.js';
import 'reflect-metadata';

const OPTIONS = Symbol('ApiModuleOptions');

export interface ApiModuleOptions extends RestOptions {
  kernel: Kernel;
  /** Shown as the title of the OpenAPI document. */
  title: string;
  /** Whether this process takes calls, for `grpc.health.v1`. Default: yes. */
  ready?: () => boolean | Promise<boolean>;
  /** What the OpenAPI document and reflection tell of, for a door in front of other services. Default: what is served here. */
  documents?: readonly DescService[];
  /** How long HTTP requests in flight may take to end when the application closes; default 10 s. Then they are cut. */
  graceMs?: number;
}

/**
 * Finds every provider with `@ApiService`, registers it in the kernel, and mounts REST, `/openapi.json`, reflection and
 * health. The gRPC server ({@link GrpcServer}) over the same kernel is connected as a microservice after `app.init()`.
 */
@Module({ imports: [DiscoveryModule] })
export class ApiModule implements OnModuleInit, BeforeApplicationShutdown {
  private readonly inFlight = new Set<ServerResponse>();

  constructor(
    @Inject(OPTIONS) private readonly options: ApiModuleOptions,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
  ) {}

  static with(options: ApiModuleOptions): DynamicModule {
    return { module: ApiModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  onModuleInit(): void {
    const { kernel } = this.options;
    for (const { instance } of this.discovery.getProviders()) {
      const provider: unknown = instance;
      // By the instance's own class: a provider may also be given as a value or by a factory.
      const service = provider !== null && typeof provider === 'object' ? servedBy(provider.constructor) : undefined;
      if (service) kernel.register(service, provider as ServiceImplementation<typeof service>);
    }
    const own = this.options.documents ?? [...kernel.services];
    kernel.register(Health, healthService(kernel, this.options.ready ?? (() => true)), true);
    const { v1, v1alpha } = reflectionServices(() => [...new Set([...own, ...kernel.services])]);
    kernel.register(ServerReflection, v1, true);
    kernel.register(ServerReflectionAlpha, v1alpha, true);
    kernel.warm();
    const fastify = this.http.httpAdapter.getInstance<FastifyInstance>();
    fastify.server.on('request', (_request, response: ServerResponse) => {
      this.inFlight.add(response);
      response.once('close', () => this.inFlight.delete(response));
    });
    new RestTranscoder(kernel, this.options).mount(fastify);
    const document = JSON.stringify(openApiDocument(own, { title: this.options.title }));
    fastify.get('/openapi.json', (_request, reply) => reply.type('application/json').send(document));
  }

  /** Refuses what is new, ends the streams, and lets the rest of the requests in flight finish. */
  async beforeApplicationShutdown(): Promise<void> {
    this.options.kernel.startDraining();
    const cut = Date.now() + (this.options.graceMs ?? 10_000);
    while (this.inFlight.size > 0 && Date.now() < cut) {
      const [response] = this.inFlight;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, cut - Date.now());
        response?.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}
