import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { failureOf, headersOf, requestIdOf, sendProblem, traceOnly, traceparentOf, type CallObserver } from '@writ/api';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Announcement } from '@writ/platform';
import type { Directory } from './directory.js';
import { serviceOfPath } from './routes.js';

/** Names that belong to one connection, not to the message (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Passes everything that another service answers through to it, unparsed and unbuffered in both directions. It checks no
 * token: the service does, so that a refusal is in that service's ledger and no check is done twice. What a replica has
 * been sent is not sent to another, because only the caller knows whether that does harm; unless it only reads.
 */
export function proxyHttp(fastify: FastifyInstance, directory: Directory, observer: CallObserver = traceOnly): void {
  const agent = new Agent({ keepAlive: true });
  fastify.addHook('onClose', async () => agent.destroy());
  fastify.addHook('onRequest', async (request, reply) => {
    const service = serviceOfPath(request.url);
    if (service === undefined) return;
    try {
      const replicas = directory.replicasOf(service);
      const trace = observe(observer, service, request.raw, reply);
      await forward(request.raw, reply, { replicas, trace }, agent);
    } catch (error) {
      if (!reply.raw.headersSent && !reply.raw.destroyed)
        sendProblem(reply, failureOf(error), requestIdOf(headersOf(request.raw)));
      request.raw.resume(); // whoever still sends is to hear the answer
    }
    return reply;
  });
}

/** The door's own part of the trace, until the answer has gone out. @returns what goes on to the service */
function observe(observer: CallObserver, service: string, down: IncomingMessage, { raw }: FastifyReply): string {
  const traceparent = traceparentOf(headersOf(down).get('traceparent'));
  const call = observer.begin({ method: `gateway/${service}`, transport: 'http', ...(traceparent && { traceparent }) });
  raw.once('close', () => call.end(outcomeOf(raw)));
  return call.trace;
}

/** The address is the caller's, so that no metric may name it: only which service answered, and how. */
function outcomeOf({ writableFinished, statusCode }: ServerResponse): string {
  if (!writableFinished) return 'cut';
  return statusCode < 400 ? 'ok' : `http_${statusCode}`;
}

/** Asks the next replica where one takes no connection, and where to ask again does no harm. @throws DomainError `service.unavailable` */
async function forward(
  down: IncomingMessage,
  reply: FastifyReply,
  { replicas, trace }: { replicas: readonly Announcement[]; trace: string },
  agent: Agent,
): Promise<void> {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = down.headers;
  const reads = (down.method === 'GET' || down.method === 'HEAD') && length === '0' && encoding === undefined;
  for (const [index, { httpUrl }] of replicas.entries())
    try {
      return await forwardTo(down, reply, { httpUrl, trace }, agent);
    } catch (error) {
      const isLast = index === replicas.length - 1 || reply.raw.destroyed || reply.raw.headersSent;
      if (isLast || !(reads || isUnsent(error))) throw error;
    }
}

/** Nobody took the connection, so nobody has seen the request. */
function isUnsent(error: unknown): boolean {
  return error instanceof DomainError && error.details['sent'] === false;
}

/** Resolves when the answer is under way. @throws DomainError `service.unavailable` while there is none, with `sent: false` where nobody saw the request */
function forwardTo(
  down: IncomingMessage,
  reply: FastifyReply,
  { httpUrl, trace }: { httpUrl: string; trace: string },
  agent: Agent,
): Promise<void> {
  const { method, url: path = '/' } = down;
  if (/[^!-~]/.test(path)) throw refuse('request.malformed', 'the address is not well encoded');
  return new Promise((resolve, reject) => {
    const gone = new AbortController();
    const up = httpRequest(httpUrl, {
      method,
      path,
      agent,
      headers: { ...endToEnd(down), traceparent: trace },
      signal: gone.signal,
    });
    // Also while nothing was answered yet: whoever has nobody left to answer stops working.
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort();
    });
    up.once('response', (answer) => {
      reply.hijack();
      passOn(answer, reply.raw);
      // A refusal may come before the request was sent to its end; Node reads the rest and throws it away.
      answer.once('end', () => {
        if (!up.writableEnded) up.destroy();
      });
      resolve();
    });
    up.on('error', (cause: NodeJS.ErrnoException) => {
      down.unpipe(up);
      const details = cause.syscall === 'connect' ? { sent: false } : {};
      reject(new DomainError('service.unavailable', 'the service cannot be reached', details, { cause }));
    });
    // Until somebody is there to hear it, nothing of the body is read, so that another replica can have all of it.
    up.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => down.pipe(up));
      else down.pipe(up);
    });
  });
}

function passOn(answer: IncomingMessage, out: ServerResponse): void {
  const headers = rawPairs(answer.rawHeaders).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
  out.writeHead(answer.statusCode as number, answer.statusMessage, headers.flat());
  // Who waits for events sees at once that the stream is open.
  out.flushHeaders();
  pipeline(answer, out, () => undefined);
}

function endToEnd({ headers, rawHeaders }: IncomingMessage): Record<string, string[]> {
  const named = new Set(headers.connection?.toLowerCase().split(/\s*,\s*/));
  const kept: Record<string, string[]> = {};
  for (const [name, value] of rawPairs(rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower === 'host' || HOP_BY_HOP.has(lower) || named.has(lower)) continue;
    (kept[lower] ??= []).push(value);
  }
  // Without a length a body is framed again; said so, because Node would send that of a GET or DELETE without any frame.
  if (headers['transfer-encoding'] !== undefined) kept['transfer-encoding'] = ['chunked'];
  return kept;
}

function rawPairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at] as string, raw[2 * at + 1] as string]);
}
