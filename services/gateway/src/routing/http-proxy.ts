import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { failureOf, headersOf, requestIdOf, sendProblem } from '@writ/api';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { FastifyInstance, FastifyReply } from 'fastify';
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
 * token: the service does, so that a refusal is in that service's ledger and no check is done twice. Nothing is tried
 * again here, because only the caller knows whether that does harm.
 */
export function proxyHttp(fastify: FastifyInstance, directory: Directory): void {
  const agent = new Agent({ keepAlive: true });
  fastify.addHook('onClose', async () => agent.destroy());
  fastify.addHook('onRequest', async (request, reply) => {
    const service = serviceOfPath(request.url);
    if (service === undefined) return;
    try {
      const { httpUrl } = directory.replicaOf(service);
      await forward(request.raw, reply, httpUrl, agent);
    } catch (error) {
      if (!reply.raw.headersSent && !reply.raw.destroyed)
        sendProblem(reply, failureOf(error), requestIdOf(headersOf(request.raw)));
    }
    return reply;
  });
}

/** Resolves when the answer is under way. @throws DomainError `service.unavailable` while there is none */
function forward(down: IncomingMessage, reply: FastifyReply, httpUrl: string, agent: Agent): Promise<void> {
  const { method, url: path = '/' } = down;
  if (/[^!-~]/.test(path)) throw refuse('request.malformed', 'the address is not well encoded');
  return new Promise((resolve, reject) => {
    const gone = new AbortController();
    const up = httpRequest(httpUrl, { method, path, agent, headers: endToEnd(down), signal: gone.signal });
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
    up.on('error', (cause) => {
      down.unpipe(up);
      reject(new DomainError('service.unavailable', 'the service cannot be reached', {}, { cause }));
    });
    down.pipe(up);
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
