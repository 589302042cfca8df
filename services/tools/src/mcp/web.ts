import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { PROBLEM_TYPE, problemOf, type Failure } from '@writ/api';
import type { ActingCaller, Enforcement } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * The request as the web has it, without its body. The address is ours, whatever the host header says; the token stays here.
 * A real `Request` copies its headers and follows the signal by one of its own, which costs as much as all that is read of it.
 */
export function webRequest({ method, raw }: FastifyRequest, url: string, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw.headers))
    if (value !== undefined && name !== 'authorization')
      headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  const read = { __proto__: Request.prototype, method, url, headers, signal, body: null, bodyUsed: false };
  return read as unknown as Request;
}

/** Sends it; a stream ends when the authority of whoever listens is revoked. */
export async function sendWeb(
  reply: FastifyReply,
  answer: Response,
  caller: ActingCaller,
  { enforcement }: { enforcement: Pick<Enforcement, 'watch'> },
): Promise<FastifyReply> {
  for (const [name, value] of answer.headers) reply.header(name, value);
  reply.status(answer.status);
  if (answer.body === null) return reply.send();
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true)
    return reply.send(await answer.text());
  const stream = Readable.fromWeb(answer.body as ReadableStream);
  const watched = await enforcement.watch(caller);
  const cut = (): void => void stream.destroy();
  watched.signal.addEventListener('abort', cut, { once: true });
  stream.once('close', () => watched[Symbol.dispose]());
  stream.on('error', () => undefined);
  return reply.send(stream);
}

/** An error of JSON-RPC as an answer of its own, under the id of the request where it has one. */
export function jsonRpcError(status: number, code: number, message: string, request?: unknown): Response {
  const { id } = (request ?? {}) as { id?: unknown };
  const echoed = typeof id === 'string' || typeof id === 'number' ? id : null;
  return Response.json({ jsonrpc: '2.0', id: echoed, error: { code, message } }, { status });
}

/** A request that no handler sees. */
export function refusedRequest(reply: FastifyReply, status: number, code: number, message: string): FastifyReply {
  return reply.status(status).send({ jsonrpc: '2.0', id: null, error: { code, message } });
}

/** What went wrong before there was an answer. */
export function failed(reply: FastifyReply, failure: Failure, requestId: string, log: Logger): FastifyReply {
  if (failure.bug !== undefined) log.error({ err: failure.bug, requestId }, 'an MCP request failed');
  return reply
    .status(failure.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(failure, requestId)));
}
