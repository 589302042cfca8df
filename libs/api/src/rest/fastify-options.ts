import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { failureOf } from '../errors/failure.js';
import { requestIdOf } from '../kernel/kernel.js';
import { frameworkFailure } from './framework-failure.js';
import { headersOf, sendProblem } from './rest-transcoder.js';

/**
 * Options of Nest's `FastifyAdapter`: what fails before any route (an address that is badly encoded) is problem details
 * too, and `close` cuts connections that are still open: `ApiModule` has let the requests on them finish before.
 */
export function fastifyOptions(): FastifyServerOptions {
  return {
    forceCloseConnections: true,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, frameworkFailure(error) ?? failureOf(error), requestIdOf(headersOf(request.raw))),
  };
}
