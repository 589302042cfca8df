import { STATUS_CODES, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { refuse } from '@writ/ledger/domain';
import { failureOf, type Failure } from '../errors/failure.js';
import { PROBLEM_TYPE, problemOf } from '../errors/problem.js';
import { requestIdOf } from '../kernel/kernel.js';
import { frameworkFailure } from './framework-failure.js';
import { headersOf, sendProblem } from './rest-transcoder.js';

/** How long a request may take to arrive: Fastify alone would wait for ever for the rest of a body. */
const REQUEST_TIMEOUT_MS = 300_000;

/**
 * Options of Nest's `FastifyAdapter`: what fails before any route (bytes that are no request, an address that is badly
 * encoded) is problem details too, and `close` cuts connections that are still open: `ApiModule` has let the requests on
 * them finish before.
 */
export function fastifyOptions(requestTimeoutMs = REQUEST_TIMEOUT_MS): FastifyServerOptions & { http: ServerOptions } {
  return {
    forceCloseConnections: true,
    requestTimeout: requestTimeoutMs,
    http: {
      headersTimeout: Math.min(requestTimeoutMs, 60_000), // Node takes the longer of the two for the whole request
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 30_000),
    },
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, frameworkFailure(error) ?? failureOf(error), requestIdOf(headersOf(request.raw))),
    clientErrorHandler: (error, socket) => answerNoRequest(error, socket),
  };
}

/** What came cannot be told from the next request on this connection, so the connection ends with the answer. */
function answerNoRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const failure = failureOfBytes(error.code);
  const body = JSON.stringify(problemOf(failure, requestIdOf({ get: () => undefined })));
  const head = `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status]}\r\nconnection: close\r\n`;
  socket.end(`${head}content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function failureOfBytes(code = ''): Failure {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return failureOf(refuse('request.timeout', 'the request did not arrive to its end in time'));
  if (code === 'HPE_HEADER_OVERFLOW')
    return { ...failureOf(refuse('request.too_large', 'the headers are too large')), status: 431 };
  return failureOf(refuse('request.malformed', `this is no HTTP request (${code})`));
}
