import { Module, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { GrpcServer, type GrpcServerOptions } from '../grpc/grpc-server.js';
import type { Authenticator } from '../kernel/caller.js';
import { Kernel, type ApiLog } from '../kernel/kernel.js';
import type { CallObserver } from '../kernel/trace.js';
import { ApiModule } from '../nest/api.module.js';
import { ProblemFilter } from '../rest/problem.filter.js';
import { fastifyOptions } from '../rest/fastify-options.js';
import type { RestOptions } from '../rest/rest-transcoder.js';
import { FakeAuthenticator } from './fake-authenticator.js';

export interface TestApi extends AsyncDisposable {
  kernel: Kernel;
  grpc: GrpcServer;
  /** `127.0.0.1:<port>` */
  grpcAddress: string;
  httpUrl: string;
  app: NestFastifyApplication;
}

export interface TestApiOptions {
  providers: Provider[];
  controllers?: (new (...dependencies: never[]) => object)[];
  authenticator?: Authenticator;
  log?: ApiLog;
  observer?: CallObserver;
  grpc?: GrpcServerOptions;
  rest?: RestOptions;
  requestTimeoutMs?: number;
}

/** A Nest application that serves the given `@ApiService` providers over gRPC and HTTP on free loopback ports. */
export async function startTestApi(options: TestApiOptions): Promise<TestApi> {
  const { log, observer } = options;
  const kernel = new Kernel({
    authenticator: options.authenticator ?? new FakeAuthenticator(),
    ...(log && { log }),
    ...(observer && { observer }),
  });
  class Root {}
  Module({
    imports: [ApiModule.with({ kernel, title: 'test', ...options.rest })],
    providers: options.providers,
    controllers: options.controllers ?? [],
  })(Root);
  const app = await NestFactory.create<NestFastifyApplication>(
    Root,
    new FastifyAdapter(fastifyOptions(options.requestTimeoutMs)),
    {
      logger: false,
    },
  );
  app.useGlobalFilters(new ProblemFilter(log));
  await app.init();
  const grpc = new GrpcServer(kernel, options.grpc);
  app.connectMicroservice({ strategy: grpc });
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  return {
    kernel,
    grpc,
    app,
    grpcAddress: `127.0.0.1:${grpc.port}`,
    httpUrl: await app.getUrl(),
    [Symbol.asyncDispose]: () => app.close(),
  };
}
