import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import {
  failureOf,
  headersOf,
  PROBLEM_TYPE,
  problemOf,
  requestIdOf,
  traceparentOf,
  type Authenticator,
  type Identity,
} from '@writ/api';
import type { ActingCaller } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { challengeOf, metadataOf, metadataUrlOf } from './protected-resource.js';
import { mcpServer, type McpDoorParts } from './mcp-server.js';
import { WaitingCalls } from './waiting-calls.js';

/** What the MCP endpoint stands on. */
export interface McpParts extends Omit<McpDoorParts, 'waiting'> {
  /** For tokens that were made for this endpoint. */
  readonly authenticator: Authenticator;
  readonly log: Logger;
  /** Its canonical URI (RFC 8707). */
  readonly url: string;
  readonly config: Pick<Config, 'WRIT_ISSUER' | 'WRIT_MCP_ORIGINS'>;
}

/** Whoever may not call any tool has no business here. */
const method = { name: 'mcp', requires: 'tool.call', public: false } as const;

/**
 * Puts the MCP endpoint (Streamable HTTP) at `/mcp`, and its metadata (RFC 9728) where clients look for it. Each request is
 * authenticated by itself: there is no session that could outlive a token.
 */
export async function mountMcp(fastify: FastifyInstance, parts: McpParts): Promise<void> {
  const door = { calls: parts.calls, tools: parts.tools, waiting: new WaitingCalls() };
  const handler = createMcpHandler(({ authInfo }) => mcpServer(door, authInfo?.extra?.['caller'] as ActingCaller), {
    legacy: 'stateless',
    onerror: (error) => parts.log.debug({ err: error }, 'an MCP request was refused'),
  });
  const metadata = metadataOf(parts.url, parts.config.WRIT_ISSUER);
  await fastify.register((scope, _options, done) => {
    // The handler reads bodies itself.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    scope.route({
      method: ['GET', 'POST', 'DELETE'],
      url: '/mcp',
      handler: (request, reply) => serve(request, reply, handler, parts),
    });
    for (const path of new Set(['/.well-known/oauth-protected-resource', new URL(metadataUrlOf(parts.url)).pathname]))
      scope.get(path, (_request, reply) => reply.header('cache-control', 'max-age=300').send(metadata));
    scope.addHook('onClose', () => handler.close());
    done();
  });
}

async function serve(
  request: FastifyRequest,
  reply: FastifyReply,
  handler: McpHttpHandler,
  parts: McpParts,
): Promise<FastifyReply> {
  const headers = headersOf(request.raw);
  const requestId = requestIdOf(headers);
  reply.header('x-request-id', requestId);
  const { origin } = request.headers;
  // A page of the web has no business with a tool gateway on somebody's machine (DNS rebinding).
  if (origin !== undefined && !allowedOrigins(parts).includes(origin))
    return reply.status(403).send({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'this origin is not allowed' } }); // prettier-ignore
  let identity: Identity;
  try {
    identity = await parts.authenticator.authenticate(headers, method);
  } catch (error) {
    const failure = failureOf(error);
    if (failure.bug !== undefined) parts.log.error({ err: failure.bug, requestId }, 'a token could not be checked');
    const challenge = challengeOf(failure, parts.url);
    if (challenge !== undefined) reply.header('www-authenticate', challenge);
    if (failure.retry) reply.header('retry-after', '1');
    return reply
      .status(failure.status)
      .type(PROBLEM_TYPE)
      .send(JSON.stringify(problemOf(failure, requestId)));
  }
  const trace = traceparentOf(headers.get('traceparent'));
  const caller: ActingCaller = { ...identity, requestId, ...(trace !== undefined && { trace }) };
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const response = await handler.fetch(webRequest(request, parts.url, gone.signal), {
    authInfo: {
      token: '', // what serves the request has no use for it
      clientId: identity.principal,
      scopes: [],
      expiresAt: Math.floor(identity.expires.getTime() / 1000),
      extra: { caller },
    },
  });
  for (const [name, value] of response.headers) reply.header(name, value);
  return reply
    .status(response.status)
    .send(response.body === null ? undefined : Readable.fromWeb(response.body as ReadableStream));
}

function allowedOrigins({ url, config }: McpParts): readonly string[] {
  return [new URL(url).origin, ...config.WRIT_MCP_ORIGINS];
}

/** The request as the web has it. The address is ours, whatever the host header says. */
function webRequest(request: FastifyRequest, url: string, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && name !== 'authorization')
      headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  const body = request.method === 'POST' ? (Readable.toWeb(request.raw) as ReadableStream) : undefined;
  return new Request(url, {
    method: request.method,
    headers,
    signal,
    ...(body !== undefined && { body, duplex: 'half' }),
  } as RequestInit);
}
