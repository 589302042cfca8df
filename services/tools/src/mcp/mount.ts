import type { Replicas } from '@writ/platform';
import {
  failureOf,
  headersOf,
  PROBLEM_TYPE,
  problemOf,
  requestIdOf,
  traceparentOf,
  type Authenticator,
  type Failure,
} from '@writ/api';
import type { ActingCaller, Enforcement } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import type { Announcements } from './announcements.js';
import { BadBody, bodyOf } from './body.js';
import type { Face, McpDoorParts } from './mcp-server.js';
import { McpEndpoint } from './mcp-endpoint.js';
import { challengeOf, metadataOf, metadataUrlOf } from './protected-resource.js';
import { elsewhere, isForwarded, sendOn } from './other-replica.js';
import { failed, refusedRequest, sendWeb, webRequest } from './web.js';
import { WaitingCalls } from './waiting-calls.js';

/** What the MCP endpoint stands on. */
export interface McpParts extends Omit<McpDoorParts, 'waiting'> {
  /** For tokens that were made for this endpoint. */
  readonly authenticator: Authenticator;
  readonly enforcement: Pick<Enforcement, 'watch'>;
  readonly announcements: Announcements;
  /** The replicas of all services, and which of them this is. */
  readonly replicas: Pick<Replicas, 'up'>;
  readonly replica: string;
  readonly log: Logger;
  /** Its canonical URI (RFC 8707). */
  readonly url: string;
  readonly config: Pick<Config, 'WRIT_ISSUER' | 'WRIT_MCP_ORIGINS'>;
}

/** Whoever may do nothing with servers has no business here; what exactly, each request is asked again. */
const method = { name: 'mcp', requires: 'tool.call', public: false } as const;

/**
 * Puts the MCP endpoint (Streamable HTTP) at `/mcp`, each server by itself at `/mcp/<server>`, and its metadata (RFC 9728)
 * where clients look for it. Each request is authenticated by itself, also those of a session.
 */
export async function mountMcp(fastify: FastifyInstance, parts: McpParts): Promise<void> {
  const endpoint = new McpEndpoint({ ...parts, waiting: new WaitingCalls() });
  const metadata = metadataOf(parts.url, parts.config.WRIT_ISSUER);
  const wellKnown = new URL(metadataUrlOf(parts.url)).pathname;
  await fastify.register((scope, _options, done) => {
    scope.setErrorHandler((error, request, reply) =>
      failed(reply, failureOf(error), requestIdOf(headersOf(request.raw)), parts.log),
    );
    // Bodies are read here: only what is authenticated, and within bounds of its own.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    scope.route({
      method: ['GET', 'POST', 'DELETE'],
      url: '/mcp',
      handler: (request, reply) => serve(request, reply, endpoint, parts),
    });
    scope.route<{ Params: { server: string } }>({
      method: ['GET', 'POST', 'DELETE'],
      url: '/mcp/:server',
      handler: (request, reply) => serve(request, reply, endpoint, parts, request.params.server),
    });
    for (const path of new Set(['/.well-known/oauth-protected-resource', wellKnown, `${wellKnown}/:server`]))
      scope.get(path, (_request, reply) => reply.header('cache-control', 'max-age=300').send(metadata));
    scope.addHook('onClose', () => endpoint[Symbol.asyncDispose]());
    done();
  });
}

async function serve(
  request: FastifyRequest,
  reply: FastifyReply,
  endpoint: McpEndpoint,
  parts: McpParts,
  server?: string,
): Promise<FastifyReply> {
  const headers = headersOf(request.raw);
  const requestId = requestIdOf(headers);
  reply.header('x-request-id', requestId);
  if (isStrange(request.headers.origin, parts))
    return refusedRequest(reply, 403, -32_000, 'this origin is not allowed; WRIT_MCP_ORIGINS allows others');
  let caller: ActingCaller;
  try {
    const identity = await parts.authenticator.authenticate(headers, method);
    const trace = traceparentOf(headers.get('traceparent'));
    caller = { ...identity, requestId, ...(trace !== undefined && { trace }) };
  } catch (error) {
    return unauthenticated(reply, failureOf(error), requestId, parts);
  }
  const other = isForwarded(request) ? undefined : elsewhere(request.headers['mcp-session-id'], parts);
  if (other !== undefined) return sendOn(request, reply, other);
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  try {
    const body = request.method === 'POST' ? await bodyOf(request.raw) : undefined;
    const face: Omit<Face, 'session'> = { tenant: caller.tenant, ...(server !== undefined && { server }) };
    const answer = await endpoint.answer(webRequest(request, parts.url, gone.signal), body, face, caller);
    return await sendWeb(reply, answer, caller, parts);
  } catch (error) {
    if (error instanceof BadBody) return refusedRequest(reply, error.status, error.code, error.message);
    return failed(reply, failureOf(error), requestId, parts.log);
  }
}

/** A page of the web has no business with a tool gateway on somebody's machine; `Host` is checked for every service alike. */
function isStrange(origin: string | undefined, { url, config }: McpParts): boolean {
  return origin !== undefined && origin !== new URL(url).origin && !config.WRIT_MCP_ORIGINS.includes(origin);
}

function unauthenticated(reply: FastifyReply, failure: Failure, requestId: string, parts: McpParts): FastifyReply {
  if (failure.bug !== undefined) parts.log.error({ err: failure.bug, requestId }, 'a token could not be checked');
  const challenge = challengeOf(failure, parts.url);
  if (challenge !== undefined) reply.header('www-authenticate', challenge);
  if (failure.retry) reply.header('retry-after', '1');
  return reply
    .status(failure.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(failure, requestId)));
}
