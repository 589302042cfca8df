import replyFrom from '@fastify/reply-from';
import { failureOf, requestIdOf, headersOf, sendProblem } from '@writ/api';
import type { FastifyInstance } from 'fastify';
import type { Directory } from './directory.js';
import { serviceOfPath } from './routes.js';

/**
 * Passes everything that another service answers through to it, unparsed and unbuffered in both directions. It checks no
 * token: the service does, so that a refusal is in that service's ledger and no check is done twice.
 */
export async function proxyHttp(fastify: FastifyInstance, directory: Directory): Promise<void> {
  await fastify.register(replyFrom, {
    // Event streams and long polls have no end that a timer could know.
    undici: { connections: 256, pipelining: 1, bodyTimeout: 0, headersTimeout: 120_000 },
    disableRequestLogging: true,
  });
  fastify.addHook('onRequest', async (request, reply) => {
    const service = serviceOfPath(request.url);
    if (service === undefined) return;
    try {
      const { httpUrl } = directory.replicaOf(service);
      // Nothing has read the body yet, and reply-from passes on what stands here.
      const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
      if (length !== undefined || encoding !== undefined) request.body = request.raw;
      reply.from(`${httpUrl}${request.url}`, {
        onError: (_reply, { error }) => sendProblem(reply, failureOf(error), requestIdOf(headersOf(request.raw))),
      });
    } catch (error) {
      sendProblem(reply, failureOf(error), requestIdOf(headersOf(request.raw)));
    }
    return reply;
  });
}
