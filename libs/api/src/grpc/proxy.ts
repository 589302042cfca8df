import { once } from 'node:events';
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type Http2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { DomainError, refuse } from '@writ/ledger/domain';
import { failureOf } from '../errors/failure.js';
import { grpcCode, statusDetails } from '../errors/grpc-status.js';
import type { Headers } from '../kernel/caller.js';
import { requestIdOf, type ApiLog } from '../kernel/kernel.js';
import { traceparentOf, type ObservedCall } from '../kernel/trace.js';

export interface GrpcProxyOptions {
  /** Default `127.0.0.1`. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /**
   * Where a call may go, each `http://host:port`: to the first that takes a connection.
   * @param path `/writ.run.v1.RunService/StartRun`
   * @throws DomainError to refuse it, for example `service.unavailable`
   */
  targets(path: string): readonly string[];
  /** Asked before anything is forwarded. @throws DomainError to refuse the call. The service asks again by itself. */
  admit?(path: string, headers: Headers): void | Promise<void>;
  /** Watches what is forwarded; the service is sent the trace of it. */
  observe?(path: string, traceparent: string | undefined): ObservedCall | undefined;
  /** Whether a call to this path may last for ever: it is told to go elsewhere as soon as `close` begins. Default: none. */
  streams?(path: string): boolean;
  /** How long the other calls may take to end after `close`; default 10 s. */
  graceMs?: number;
  log?: ApiLog;
}

/** Names that belong to one connection, not to the call (RFC 9113 section 8.2.2). */
const hopByHop = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const IDLE = constants.NGHTTP2_NO_ERROR;
const PING_MS = 30_000;
const PING_TIMEOUT_MS = 10_000;

/**
 * One gRPC door in front of many services. It forwards HTTP/2 streams byte by byte and knows nothing of messages, so all
 * four kinds of calls pass, with their metadata, deadlines, trailers, cancellation and flow control in both directions.
 */
export class GrpcProxy {
  private readonly server: Http2Server;
  private readonly sessions = new Map<string, ClientHttp2Session>();
  private readonly clients = new Set<ServerHttp2Session>();
  /** How to end each open stream. */
  private readonly endless = new Set<() => void>();
  private closing = false;

  constructor(private readonly options: GrpcProxyOptions) {
    this.server = createServer({ settings: { maxConcurrentStreams: 1000 } });
    this.server.on('session', (session) => {
      this.clients.add(session);
      noticeSilence(session);
      session.once('close', () => this.clients.delete(session));
      session.on('error', () => session.destroy());
    });
    this.server.on('stream', (stream, headers) => void this.forward(stream, headers));
  }

  /** @returns the port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.port ?? 0, this.options.host ?? '127.0.0.1', () => {
        const address = this.server.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      });
    });
  }

  /** Takes no new calls, lets the running ones end up to `graceMs`, cuts the rest. */
  async close(): Promise<void> {
    this.closing = true;
    for (const end of this.endless) end();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const session of this.clients) session.close();
    const cut = setTimeout(() => {
      for (const session of this.clients) session.destroy();
    }, this.options.graceMs ?? 10_000);
    await closed;
    clearTimeout(cut);
    for (const session of this.sessions.values()) session.destroy();
  }

  private async forward(down: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    down.on('error', () => undefined);
    const path = headers[':path'] ?? '';
    const read: Headers = { get: (name) => [headers[name]].flat()[0] };
    try {
      if (!headers['content-type']?.startsWith('application/grpc'))
        throw refuse('request.unsupported_media_type', 'this port speaks gRPC only');
      if (this.closing) throw draining();
      await this.options.admit?.(path, read);
      if (down.destroyed) return;
      const session = await this.reached(this.options.targets(path));
      if (down.destroyed) return;
      const observed = this.options.observe?.(path, traceparentOf(read.get('traceparent')));
      const passed = {
        ...headers,
        'x-request-id': requestIdOf(read),
        ...(observed && { traceparent: observed.trace }),
      };
      const end = this.join(down, session, passed, observed);
      if (!this.options.streams?.(path)) return;
      this.endless.add(end);
      down.once('close', () => this.endless.delete(end));
    } catch (error) {
      if (failureOf(error).bug !== undefined)
        this.options.log?.error({ err: error, path }, 'a call could not be forwarded');
      this.refuse(down, error, requestIdOf(read));
    }
  }

  private join(
    down: ServerHttp2Stream,
    session: ClientHttp2Session,
    headers: IncomingHttpHeaders & { 'x-request-id': string },
    observed: ObservedCall | undefined,
  ): () => void {
    const requestId = headers['x-request-id'];
    const up = session.request(forwarded(headers), { endStream: down.readableEnded });
    let trailers: OutgoingHttpHeaders | undefined;
    const end = (error: DomainError): void => {
      if (!down.headersSent) return this.refuse(down, error, requestId);
      trailers = statusHeaders(error);
      up.unpipe(down);
      down.end();
    };
    // A service that dies sends no trailers, and its caller would wait for ever for how the call has ended.
    const cut = (cause?: unknown): void => end(unreachable(cause));
    up.once('response', (answer, flags) => {
      if (down.destroyed || down.headersSent) return;
      const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      down.respond(forwarded(answer), endStream ? { endStream } : { waitForTrailers: true });
      if (endStream) return;
      up.pipe(down, { end: false });
      up.once('end', () => (trailers ? down.end() : cut()));
    });
    up.on('trailers', (received) => (trailers = forwarded(received)));
    down.on('wantTrailers', () => down.sendTrailers(trailers ?? {}));
    down.pipe(up);
    // Whoever resets or dies takes the other side with it.
    down.once('close', () => {
      observed?.end(outcomeOf(down, trailers));
      up.close(down.rstCode === IDLE && down.writableFinished ? IDLE : constants.NGHTTP2_CANCEL);
    });
    up.once('error', cut);
    up.once('close', () => {
      if (up.rstCode === IDLE || down.destroyed || down.writableEnded) return;
      if (session.destroyed) cut();
      else down.close(up.rstCode);
    });
    return () => end(draining());
  }

  /**
   * A connection to the first target that takes one.
   * @throws DomainError `service.unavailable` with `sent: false`: no service has seen anything of the call
   */
  private async reached(targets: readonly string[]): Promise<ClientHttp2Session> {
    let problem: unknown;
    for (const target of targets) {
      const session = this.session(target);
      if (!session.connecting) return session;
      try {
        const closed = once(session, 'close').then(() => Promise.reject(new Error('it closed the connection')));
        await Promise.race([once(session, 'connect'), closed]);
        return session;
      } catch (error) {
        problem = error;
      }
    }
    throw unreachable(problem, { sent: false });
  }

  /** One connection to each target: HTTP/2 carries all calls over it. */
  private session(target: string): ClientHttp2Session {
    const known = this.sessions.get(target);
    if (known && !known.closed && !known.destroyed) return known;
    const session = connect(target, { settings: { initialWindowSize: 1 << 20 }, peerMaxConcurrentStreams: 1000 });
    const forget = () => {
      if (this.sessions.get(target) === session) this.sessions.delete(target);
    };
    session.on('error', forget);
    session.on('close', forget);
    session.on('goaway', forget);
    noticeSilence(session);
    session.unref();
    this.sessions.set(target, session);
    return session;
  }

  /** An answer of headers only, with the status in them. */
  private refuse(down: ServerHttp2Stream, error: unknown, requestId: string): void {
    if (down.destroyed || down.headersSent) return;
    const head = { ':status': 200, 'content-type': 'application/grpc+proto', 'x-request-id': requestId };
    down.respond({ ...head, ...statusHeaders(error) }, { endStream: true });
    // The client may still be sending.
    down.resume();
  }
}

/** A stream may be silent for hours; whether the other side is still there is asked beside it. */
function noticeSilence(session: Http2Session): void {
  const asking = setInterval(() => {
    if (session.destroyed || session.connecting) return;
    const silent = setTimeout(() => session.destroy(), PING_TIMEOUT_MS).unref();
    session.ping(() => clearTimeout(silent));
  }, PING_MS).unref();
  session.once('close', () => clearInterval(asking));
}

function forwarded(headers: IncomingHttpHeaders | OutgoingHttpHeaders): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (!hopByHop.has(name) && value !== undefined) kept[name] = value;
  return kept;
}

function unreachable(cause: unknown, details: { sent?: false } = {}): DomainError {
  return new DomainError('service.unavailable', 'the service cannot be reached', details, { cause });
}

/** How a forwarded call ended: the service's own code stands in its own span. */
function outcomeOf({ rstCode }: ServerHttp2Stream, trailers: OutgoingHttpHeaders | undefined): string {
  if (rstCode !== IDLE) return 'cut';
  const status = trailers?.['grpc-status'];
  return status === undefined || status === '0' ? 'ok' : `grpc_${Number(status)}`;
}

function draining(): DomainError {
  return refuse('service.draining', 'the door is closing; call again');
}

/** The end of a failed call, as gRPC puts it into trailers. */
function statusHeaders(error: unknown): OutgoingHttpHeaders {
  const failure = failureOf(error);
  return {
    'grpc-status': String(grpcCode(failure.status)),
    'grpc-message': encodeURI(failure.detail),
    'grpc-status-details-bin': Buffer.from(statusDetails(failure)).toString('base64'),
  };
}
