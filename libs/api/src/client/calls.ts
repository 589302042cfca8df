import { create, fromBinary, toBinary, type DescMethod } from '@bufbuild/protobuf';
import type { CallOptions as GrpcCallOptions, ServiceError } from '@grpc/grpc-js';
import { refuse } from '@writ/ledger/domain';
import { fromGrpcStatus } from '../errors/grpc-status.js';
import type { CallOptions, GrpcChannel } from './grpc-channel.js';

/** A call of grpc-js as far as it is used here. */
interface Outgoing {
  write(message: object): boolean;
  end(): unknown;
  cancel(): void;
  once(event: 'drain' | 'close' | 'status', listener: () => void): unknown;
  off(event: 'drain' | 'close' | 'status', listener: () => void): unknown;
}

const pathOf = (desc: DescMethod) => `/${desc.parent.typeName}/${desc.name}`;
const reader = (desc: DescMethod) => (bytes: Buffer) => fromBinary(desc.output, bytes);
const writer = (desc: DescMethod) => (request: object) => {
  const bytes = toBinary(desc.input, create(desc.input, request as Record<string, unknown>));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};
const limits = ({ timeoutMs }: CallOptions): GrpcCallOptions =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

/** Cancels the call when the signal is aborted. @returns how to forget about it. */
function cancelWith(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => call.cancel();
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

function notAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw refuse('request.cancelled', 'the call was cancelled before it began');
}

type Answered = (error: ServiceError | null, answer?: object) => void;

/** The one answer of a call that `begin` makes. */
function answerOf(
  begin: (answered: Answered) => { cancel(): void },
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = begin((error, answer) => {
      forget();
      if (error) reject(fromGrpcStatus(error));
      else resolve(answer);
    });
    const forget = cancelWith(call, signal);
  });
}

export async function unary(
  desc: DescMethod,
  channel: GrpcChannel,
  request: object,
  options: CallOptions,
): Promise<unknown> {
  notAborted(options.signal);
  const metadata = await channel.metadata(options);
  const how = [pathOf(desc), writer(desc), reader(desc)] as const;
  return answerOf(
    (answered) => channel.client.makeUnaryRequest(...how, request, metadata, limits(options), answered),
    options.signal,
  );
}

export async function clientStream(
  desc: DescMethod,
  channel: GrpcChannel,
  requests: AsyncIterable<object>,
  options: CallOptions,
): Promise<unknown> {
  notAborted(options.signal);
  const metadata = await channel.metadata(options);
  const how = [pathOf(desc), writer(desc), reader(desc)] as const;
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const answer = answerOf((answered) => {
    const call = channel.client.makeClientStreamRequest(...how, metadata, limits(options), answered);
    pump(requests, call).catch(reject);
    return call;
  }, options.signal);
  return Promise.race([answer, broken]);
}

export async function* serverStream(
  desc: DescMethod,
  channel: GrpcChannel,
  request: object,
  options: CallOptions,
): AsyncIterable<unknown> {
  notAborted(options.signal);
  const metadata = await channel.metadata(options);
  const call = channel.client.makeServerStreamRequest(
    pathOf(desc),
    writer(desc),
    reader(desc),
    request,
    metadata,
    limits(options),
  );
  yield* answers(call, options.signal);
}

export async function* bidiStream(
  desc: DescMethod,
  channel: GrpcChannel,
  requests: AsyncIterable<object>,
  options: CallOptions,
): AsyncIterable<unknown> {
  notAborted(options.signal);
  const metadata = await channel.metadata(options);
  const call = channel.client.makeBidiStreamRequest(
    pathOf(desc),
    writer(desc),
    reader(desc),
    metadata,
    limits(options),
  );
  let broken: { error: unknown } | undefined;
  pump(requests, call).catch((error: unknown) => {
    broken = { error };
  });
  try {
    yield* answers(call, options.signal);
  } catch (error) {
    // What the caller's own request stream threw says more than the cancellation that followed from it.
    throw broken ? broken.error : error;
  }
}

/** The server's messages. Leaving the loop early cancels the call: grpc-js alone would let it run on. */
async function* answers(
  call: AsyncIterable<unknown> & { cancel(): void; on(event: 'error', listener: () => void): unknown },
  signal: AbortSignal | undefined,
) {
  const forget = cancelWith(call, signal);
  // An error that arrives after the last message was read would otherwise be an uncaught 'error' event.
  call.on('error', () => undefined);
  let ended = false;
  try {
    for await (const answer of call) yield answer;
    ended = true;
  } catch (error) {
    ended = true;
    throw fromGrpcStatus(error as ServiceError);
  } finally {
    forget();
    if (!ended) call.cancel();
  }
}

/** Sends requests no faster than the server takes them, until they end or the call does. */
async function pump(requests: AsyncIterable<object>, call: Outgoing): Promise<void> {
  let over = false;
  const end = () => (over = true);
  call.once('status', end);
  call.once('close', end);
  try {
    for await (const request of requests) {
      if (over) return;
      if (!call.write(request)) await takesMore(call);
    }
    if (!over) call.end();
  } catch (error) {
    call.cancel();
    throw error;
  }
}

function takesMore(call: Outgoing): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      for (const event of ['drain', 'close', 'status'] as const) call.off(event, go);
      resolve();
    };
    for (const event of ['drain', 'close', 'status'] as const) call.once(event, go);
  });
}
