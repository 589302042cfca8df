import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type {
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
} from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { errorOfStatus } from './wire-error.js';

/** Of one call over the wire. */
export interface CallSettings {
  readonly token?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Both directions of a stream: frames in by iteration, frames out by `write`, which waits where the other side is slower. */
export interface Duplex<I extends DescMessage, O extends DescMessage> extends AsyncIterable<MessageShape<O>> {
  write(message: MessageInitShape<I>): Promise<void>;
  /** Half-closes: nothing more will be written. */
  end(): void;
  cancel(): void;
}

// Streams carry files and outputs; unary answers may carry a whole proof bundle.
const maxMessageBytes = 64 * 1024 * 1024;
const unlimited = 2 ** 31 - 1;

const pathOf = (method: { parent: { typeName: string }; name: string }) => `/${method.parent.typeName}/${method.name}`;
const encoder =
  <D extends DescMessage>(schema: D) =>
  (message: MessageShape<D>) =>
    Buffer.from(toBinary(schema, message));
const decoder =
  <D extends DescMessage>(schema: D) =>
  (bytes: Buffer) =>
    fromBinary(schema, bytes);

function metadataOf(settings: CallSettings): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (settings.token !== undefined) metadata.set('authorization', `Bearer ${settings.token}`);
  for (const [name, value] of Object.entries(settings.headers ?? {})) metadata.set(name, value);
  return metadata;
}

/** Cancels the call when the signal aborts; the returned function must be called when the call is over. */
function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  const cancel = () => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

/** gRPC to one address, made from the descriptors of the generated services. Connects on first use and again by itself. */
export class Channel {
  readonly #client: grpc.Client;

  /** @param url `http://host:port` in clear text (loopback, or inside a mesh), `https://host[:port]` with TLS */
  constructor(url: string) {
    const { protocol, host, hostname } = new URL(url);
    const secure = protocol === 'https:';
    const address = secure && !/:\d+$/.test(host) ? `${hostname}:443` : host;
    this.#client = new grpc.Client(address, secure ? grpc.credentials.createSsl() : grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.enable_retries': 0,
    });
  }

  /** Resolves when there is a connection. @throws WritError `service.unavailable` when there is none after `timeoutMs` */
  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) =>
        error
          ? reject(errorOfStatus({ code: grpc.status.UNAVAILABLE, details: 'nobody takes a connection' }))
          : resolve(),
      );
    });
  }

  /** One request, one answer. @throws WritError; the reason of an aborted signal */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings,
  ): Promise<MessageShape<O>> {
    settings.signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        encoder(method.input),
        decoder(method.output),
        create(method.input, request),
        metadataOf(settings),
        optionsOf(settings),
        (error, response) => {
          release();
          if (error) reject(settings.signal?.aborted ? settings.signal.reason : errorOfStatus(error));
          else resolve(response as MessageShape<O>);
        },
      );
      const release = cancelOn(settings.signal, call);
    });
  }

  /** One request, many answers; leaving the loop cancels the call. */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    settings.signal?.throwIfAborted();
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      encoder(method.input),
      decoder(method.output),
      create(method.input, request),
      metadataOf(settings),
      optionsOf(settings),
    );
    yield* frames<MessageShape<O>>(call, settings.signal);
  }

  /** Many requests, one answer. */
  async clientStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    requests: Iterable<MessageInitShape<I>> | AsyncIterable<MessageInitShape<I>>,
    settings: CallSettings,
  ): Promise<MessageShape<O>> {
    settings.signal?.throwIfAborted();
    let call!: grpc.ClientWritableStream<MessageShape<I>>;
    const answer = new Promise<MessageShape<O>>((resolve, reject) => {
      call = this.#client.makeClientStreamRequest(
        pathOf(method),
        encoder(method.input),
        decoder(method.output),
        metadataOf(settings),
        optionsOf(settings),
        (error, response) => (error ? reject(errorOfStatus(error)) : resolve(response as MessageShape<O>)),
      );
    });
    answer.catch(() => {}); // it is awaited below, but may fail before that
    const release = cancelOn(settings.signal, call);
    try {
      for await (const request of requests)
        if (!call.write(create(method.input, request)) && !call.destroyed)
          await Promise.race([new Promise((resolve) => call.once('drain', resolve)), answer]);
      call.end();
      return await answer;
    } catch (error) {
      call.cancel(); // the source broke: what was sent is not all
      throw error;
    } finally {
      release();
    }
  }

  /** A stream in both directions. */
  duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    settings: CallSettings,
  ): Duplex<I, O> {
    settings.signal?.throwIfAborted();
    const call = this.#client.makeBidiStreamRequest(
      pathOf(method),
      encoder(method.input),
      decoder(method.output),
      metadataOf(settings),
      optionsOf(settings),
    );
    return {
      write: (message) =>
        new Promise((resolve, reject) => {
          if (call.writableEnded || call.destroyed)
            return reject(errorOfStatus({ code: grpc.status.UNAVAILABLE, details: 'the stream is closed' }));
          call.write(create(method.input, message), (error: unknown) =>
            error ? reject(errorOfStatus(error)) : resolve(),
          );
        }),
      end: () => call.end(),
      cancel: () => call.cancel(),
      [Symbol.asyncIterator]: () => frames<MessageShape<O>>(call, settings.signal),
    };
  }

  close(): void {
    this.#client.close();
  }
}

function optionsOf(settings: CallSettings): grpc.CallOptions {
  const timeoutMs = settings.timeoutMs;
  return timeoutMs === undefined || timeoutMs >= unlimited ? {} : { deadline: Date.now() + timeoutMs };
}

async function* frames<T>(
  call: grpc.ClientReadableStream<unknown> | grpc.ClientDuplexStream<unknown, unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  const release = cancelOn(signal, call);
  let over = false;
  try {
    // grpc-js destroys a call whose iteration ends early, and then its status is lost.
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message as T;
    over = true;
  } catch (error) {
    over = true;
    throw signal?.aborted ? signal.reason : errorOfStatus(error);
  } finally {
    release();
    if (!over) {
      call.on('error', () => {}); // the status of our own cancellation has no one to tell
      call.cancel();
    }
  }
}
