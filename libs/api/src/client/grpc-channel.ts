import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ChannelCredentials } from '@grpc/grpc-js';
import { bidiStream, clientStream, serverStream, unary } from './calls.js';

export interface ChannelOptions {
  /** Metadata of every call, asked each time: `async () => ({ authorization: `Bearer ${await token()}` })`. */
  metadata?: () => Promise<Record<string, string>> | Record<string, string>;
  /** Default: no TLS. */
  credentials?: ChannelCredentials;
  /** Largest answer that is taken; default 64 MiB. */
  maxMessageBytes?: number;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Sent along as the deadline; the server stops working when it passes. */
  timeoutMs?: number;
  metadata?: Record<string, string>;
}

/** A connection to one address, for clients made by {@link clientOf}. */
export class GrpcChannel {
  readonly client: Client;

  /** @param address `host:port`, or `http://host:port`; `https://host:port` is TLS with the system's roots. */
  constructor(
    address: string,
    private readonly options: ChannelOptions = {},
  ) {
    const { target, secure } = targetOf(address);
    const channelCredentials = options.credentials ?? (secure ? credentials.createSsl() : credentials.createInsecure());
    this.client = new Client(target, channelCredentials, {
      'grpc.max_receive_message_length': options.maxMessageBytes ?? 64 * 1024 * 1024,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': 30_000,
    });
  }

  /** Metadata of one call. */
  async metadata(options: CallOptions): Promise<Metadata> {
    const metadata = new Metadata();
    const all = { ...(await this.options.metadata?.()), ...options.metadata };
    for (const [name, value] of Object.entries(all)) metadata.set(name, value);
    return metadata;
  }

  close(): void {
    this.client.close();
  }
}

function targetOf(address: string): { target: string; secure: boolean } {
  if (!/^https?:\/\//.test(address)) return { target: address, secure: false };
  const { host, protocol } = new URL(address);
  return { target: host, secure: protocol === 'https:' };
}

type Method = Pick<DescMethod, 'methodKind'> & { input: DescMessage; output: DescMessage };
type Call<M extends Method> = M['methodKind'] extends 'unary'
  ? (request: MessageInitShape<M['input']>, options?: CallOptions) => Promise<MessageShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageInitShape<M['input']>, options?: CallOptions) => AsyncIterable<MessageShape<M['output']>>
    : M['methodKind'] extends 'client_streaming'
      ? (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          options?: CallOptions,
        ) => Promise<MessageShape<M['output']>>
      : (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          options?: CallOptions,
        ) => AsyncIterable<MessageShape<M['output']>>;

/** One function for each method of a service. They throw `DomainError` with the server's code. */
export type GrpcClient<S extends DescService> = {
  [K in keyof S['method']]: S['method'][K] extends Method ? Call<S['method'][K]> : never;
};

/** A client of a service, made from its descriptor: `clientOf(RunService, channel).getRun({ id })`. */
export function clientOf<S extends DescService>(service: S, channel: GrpcChannel): GrpcClient<S> {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, callOf(method, channel)]),
  ) as GrpcClient<S>;
}

function callOf(desc: DescMethod, channel: GrpcChannel): unknown {
  switch (desc.methodKind) {
    case 'unary':
      return (request: object, options: CallOptions = {}) => unary(desc, channel, request, options);
    case 'client_streaming':
      return (requests: AsyncIterable<object>, options: CallOptions = {}) =>
        clientStream(desc, channel, requests, options);
    case 'server_streaming':
      return (request: object, options: CallOptions = {}) => serverStream(desc, channel, request, options);
    case 'bidi_streaming':
      return (requests: AsyncIterable<object>, options: CallOptions = {}) =>
        bidiStream(desc, channel, requests, options);
  }
}
