import {
  Metadata,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import type { Message } from '@bufbuild/protobuf';
import { refuse } from '@writ/ledger/domain';
import { grpcStatus } from '../errors/grpc-status.js';
import { requestIdOf, type Admitted, type Kernel, type Served } from '../kernel/kernel.js';
import type { Headers } from '../kernel/caller.js';
import { abortable } from '../kernel/abortable.js';

/** A caller that does not read its last frames is not waited for longer. */
const LAST_FRAMES_MS = 1_000;

type Incoming = ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
type Outgoing = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** gRPC metadata as the kernel reads it. */
export function headersOf(metadata: Metadata): Headers {
  return {
    get(name) {
      const value = metadata.get(name)[0];
      return typeof value === 'string' ? value : undefined;
    },
  };
}

interface Cancellable {
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The life of one call as its handler sees it. */
interface Life {
  /** Aborted when the client cancels, dies or its deadline passes; streams are told of draining too. */
  signal: AbortSignal;
  /** From now on nothing is aborted: grpc-js says `cancelled` at the end of every call, also of one that went well. */
  end(): void;
}

function lifeOf(call: Cancellable, draining?: AbortSignal): Life {
  const controller = new AbortController();
  let ended = false;
  const gone = () => {
    if (!ended) controller.abort(refuse('request.cancelled', 'the caller went away or its deadline passed'));
  };
  if (call.cancelled) gone();
  else call.on('cancelled', gone);
  const signal = draining ? AbortSignal.any([controller.signal, draining]) : controller.signal;
  return { signal, end: () => (ended = true) };
}

function answerMetadata(requestId: string): Metadata {
  const metadata = new Metadata();
  metadata.set('x-request-id', requestId);
  return metadata;
}

export function unaryHandler(kernel: Kernel, served: Served): handleUnaryCall<Buffer, Buffer> {
  const { input } = served.contract.desc;
  return (call, answer) => once(kernel, served, call, lifeOf(call), () => kernel.decode(input, call.request), answer);
}

export function clientStreamHandler(kernel: Kernel, served: Served): handleClientStreamingCall<Buffer, Buffer> {
  return (call, answer) => {
    const life = lifeOf(call, kernel.draining);
    return once(kernel, served, call, life, () => requests(kernel, served, call, life.signal), answer);
  };
}

/** A call with one answer. @param input asked only once the caller was admitted */
async function once(
  kernel: Kernel,
  served: Served,
  call: ServerUnaryCall<Buffer, Buffer> | ServerReadableStream<Buffer, Buffer>,
  life: Life,
  input: () => unknown,
  answer: sendUnaryData<Buffer>,
): Promise<void> {
  const headers = headersOf(call.metadata);
  const requestId = requestIdOf(headers);
  let admitted: Admitted | undefined;
  try {
    admitted = await kernel.admit(served, headers, requestId, 'grpc', life.signal);
    const bytes = kernel.encode(served.contract.desc.output, await kernel.answer(served, input(), admitted.caller));
    life.end();
    call.sendMetadata(answerMetadata(requestId));
    admitted.finish();
    answer(null, bytes);
  } catch (error) {
    life.end();
    const failure = kernel.failure(error, served, requestId, admitted?.caller);
    admitted?.finish(failure);
    answer(grpcStatus(failure, requestId));
  }
}

export function serverStreamHandler(kernel: Kernel, served: Served): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => stream(kernel, served, call, () => kernel.decode(served.contract.desc.input, call.request));
}

export function bidiHandler(kernel: Kernel, served: Served): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => stream(kernel, served, call, (signal) => requests(kernel, served, call, signal));
}

async function stream(
  kernel: Kernel,
  served: Served,
  call: Outgoing,
  input: (signal: AbortSignal) => unknown,
): Promise<void> {
  const headers = headersOf(call.metadata);
  const requestId = requestIdOf(headers);
  const life = lifeOf(call, kernel.draining);
  const { signal } = life;
  const answered = new Frames(call);
  let admitted: Admitted | undefined;
  try {
    admitted = await kernel.admit(served, headers, requestId, 'grpc', signal);
    const answers = served.handle(input(signal), admitted.caller) as AsyncIterable<unknown>;
    call.sendMetadata(answerMetadata(requestId));
    for await (const answer of abortable(answers, signal))
      if (!answered.write(kernel.encode(served.contract.desc.output, answer))) await drained(call, signal);
    life.end();
    admitted.finish();
    call.end();
  } catch (error) {
    life.end();
    const failure = kernel.failure(error, served, requestId, admitted?.caller);
    admitted?.finish(failure);
    await answered.gone();
    call.emit('error', grpcStatus(failure, requestId));
  }
}

/**
 * Frames on their way to the caller. A refusal must come behind them: it ends the call as an error, which destroys it for whoever still
 * reads the caller's frames, and what waits to be written then goes nowhere, the refusal included.
 */
class Frames {
  private waiting = 0;
  private emptied: (() => void) | undefined;

  constructor(private readonly call: Outgoing) {}

  write(frame: Buffer): boolean {
    this.waiting++;
    return this.call.write(frame, this.written);
  }

  /** Resolves when all of them went out, nobody is there to take them, or whoever is takes none. */
  gone(): Promise<void> {
    if (this.waiting === 0 || this.call.cancelled) return Promise.resolve();
    return new Promise((resolve) => {
      this.emptied = resolve;
      this.call.once('cancelled', resolve);
      setTimeout(resolve, LAST_FRAMES_MS).unref();
    });
  }

  private readonly written = (): void => {
    if (--this.waiting === 0) this.emptied?.();
  };
}

/** The client's frames, each decoded and validated. Leaving it early does not end the call, so an answer can still go out. */
async function* requests(kernel: Kernel, served: Served, call: Incoming, signal: AbortSignal): AsyncIterable<Message> {
  const frames = call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const frame of abortable(frames, signal)) yield kernel.decode(served.contract.desc.input, frame);
}

/** Until the client took enough to write again; throws the signal's reason when it never will. */
function drained(call: Outgoing, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      call.off('drain', go);
      reject(signal.reason);
    };
    const go = () => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    if (signal.aborted) return reject(signal.reason);
    call.once('drain', go);
    signal.addEventListener('abort', stop, { once: true });
  });
}
