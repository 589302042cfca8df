import { Server as GrpcJsServer, ServerCredentials, type ServerOptions, type UntypedHandleCall } from '@grpc/grpc-js';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { Kernel, Served } from '../kernel/kernel.js';
import { byteMethod } from './definition.js';
import { bidiHandler, clientStreamHandler, serverStreamHandler, unaryHandler } from './handlers.js';
import { sizeRefusal } from './size-limit.js';

export interface GrpcServerOptions {
  /** Default `127.0.0.1`. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Default: no TLS. Writ's services are reached through the gateway or a private network. */
  credentials?: ServerCredentials;
  /** Largest request message; default 4 MiB. A larger one is refused with `request.too_large`. */
  maxMessageBytes?: number;
  /** How long calls in flight may take to end after `close`; default 10 s. Then they are cut. */
  graceMs?: number;
}

/**
 * The gRPC server as a transport of `@nestjs/microservices`: Nest starts and stops it, nothing of a call passes through
 * Nest (its own gRPC transport has no backpressure, and a guard that throws on a stream kills the process).
 */
export class GrpcServer extends Server implements CustomTransportStrategy {
  private server: GrpcJsServer | undefined;
  private bound = 0;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly kernel: Kernel,
    private readonly options: GrpcServerOptions = {},
  ) {
    super();
  }

  /** The port that it listens on; 0 before `listen`. */
  get port(): number {
    return this.bound;
  }

  listen(callback: (error?: unknown) => void): void {
    this.start().then(() => callback(), callback);
  }

  private async start(): Promise<void> {
    const maxBytes = this.options.maxMessageBytes ?? 4 * 1024 * 1024;
    const settings: ServerOptions = {
      interceptors: [sizeRefusal(maxBytes)],
      'grpc.max_receive_message_length': maxBytes,
      'grpc.max_send_message_length': -1,
      // Workers and watchers keep one stream for hours: notice when the other side is gone.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
    };
    const server = new GrpcJsServer(settings);
    for (const service of this.kernel.services) {
      const methods = [...this.kernel.served].filter((each) => each.contract.desc.parent === service);
      const definition = Object.fromEntries(
        methods.map(({ contract: { desc } }) => [desc.localName, byteMethod(desc)]),
      );
      const handlers = methods.map((each) => [each.contract.desc.localName, this.handlerOf(each)] as const);
      server.addService(definition, Object.fromEntries(handlers));
    }
    const address = `${this.options.host ?? '127.0.0.1'}:${this.options.port ?? 0}`;
    this.bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(address, this.options.credentials ?? ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    this.server = server;
  }

  private handlerOf(served: Served): UntypedHandleCall {
    switch (served.contract.desc.methodKind) {
      case 'unary':
        return unaryHandler(this.kernel, served);
      case 'server_streaming':
        return serverStreamHandler(this.kernel, served);
      case 'client_streaming':
        return clientStreamHandler(this.kernel, served);
      case 'bidi_streaming':
        return bidiHandler(this.kernel, served);
    }
  }

  /** Accepts nothing new, tells streams to end, waits for calls in flight up to `graceMs`, cuts the rest. */
  close(): Promise<void> {
    return (this.closing ??= this.drain());
  }

  private async drain(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.kernel.startDraining();
    const cut = setTimeout(() => server.forceShutdown(), this.options.graceMs ?? 10_000);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(cut);
  }

  override on(): never {
    throw new Error('GrpcServer has no events');
  }

  override unwrap<T>(): T {
    return this.server as T;
  }
}
