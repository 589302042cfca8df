import type { AddressInfo } from 'node:net';
import {
  create,
  fromBinary,
  toBinary,
  type DescMethod,
  type DescService,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { ErrorInfoSchema, RetryInfoSchema } from '@writ/proto/google/rpc/error_details';
import { StatusSchema } from '@writ/proto/google/rpc/status';

/** A refusal as the real services send it. */
export class FakeRefusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retry = false,
    readonly details: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** What handles one unary or server-streaming method of a fake. */
export type Handler = (request: never, headers: grpc.Metadata, cancelled: AbortSignal) => unknown;

/** How a server says it. */
export function statusOf(error: unknown): Partial<grpc.StatusObject> {
  if (!(error instanceof FakeRefusal)) return { code: grpc.status.INTERNAL, details: String(error) };
  const info = create(ErrorInfoSchema, {
    reason: 'X',
    domain: 'writ',
    metadata: { code: error.code, ...error.details },
  });
  const details = [
    anyPack(ErrorInfoSchema, info),
    ...(error.retry ? [anyPack(RetryInfoSchema, create(RetryInfoSchema))] : []),
  ];
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, create(StatusSchema, { details }))));
  return {
    code: error.retry ? grpc.status.UNAVAILABLE : grpc.status.FAILED_PRECONDITION,
    details: error.message,
    metadata,
  };
}

function definitionOf(service: DescService): grpc.ServiceDefinition {
  const definition = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
        responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
        requestSerialize: (message: never) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message: never) => Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
  return definition as unknown as grpc.ServiceDefinition;
}

function cancelledOf(call: { on(event: 'cancelled', listener: () => void): unknown }): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  return controller.signal;
}

function adapt(method: DescMethod, handler: Handler): grpc.UntypedHandleCall {
  return adapted(method, handler) as grpc.UntypedHandleCall;
}

function adapted(method: DescMethod, handler: Handler): unknown {
  const output = (init: unknown) => create(method.output, init as MessageInitShape<typeof method.output>);
  if (method.methodKind === 'bidi_streaming' || method.methodKind === 'client_streaming') return handler;
  if (method.methodKind === 'unary')
    return (call: grpc.ServerUnaryCall<never, unknown>, callback: grpc.sendUnaryData<unknown>) =>
      void Promise.resolve()
        .then(() => handler(call.request, call.metadata, cancelledOf(call)))
        .then(
          (response) => callback(null, output(response)),
          (error: unknown) => callback(statusOf(error)),
        );
  return async (call: grpc.ServerWritableStream<never, unknown>) => {
    try {
      for await (const message of handler(call.request, call.metadata, cancelledOf(call)) as AsyncIterable<unknown>)
        call.write(output(message));
      call.end();
    } catch (error) {
      call.emit('error', statusOf(error));
    }
  };
}

/** A service, and what handles its methods, by their local names. */
export type FakeService = readonly [DescService, Readonly<Record<string, Handler>>];

/** A gRPC server on a free loopback port whose methods are the given functions; a method without one is unimplemented. */
export async function grpcFake(...services: readonly FakeService[]): Promise<{ address: string; stop(): void }> {
  const server = new grpc.Server();
  for (const [service, handlers] of services) {
    const implementation = service.methods.flatMap((method) => {
      const handler = handlers[method.localName];
      return handler ? [[method.localName, adapt(method, handler)] as const] : [];
    });
    server.addService(definitionOf(service), Object.fromEntries(implementation));
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { address: `127.0.0.1:${port satisfies AddressInfo['port']}`, stop: () => server.forceShutdown() };
}
