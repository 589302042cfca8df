import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Answers one HTTP request. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** The paths that the authorization server answers, as its issuer decides: what a proxy in front must pass on. */
export function oauthPaths(issuer: string): { base: string; wellKnown: readonly string[] } {
  const { pathname } = new URL(issuer);
  const base = pathname === '/' ? '' : pathname.replace(/\/$/, '');
  // RFC 8414 section 3.1 inserts the well-known part between host and path; OpenID Connect Discovery appends it.
  return {
    base,
    wellKnown: ['oauth-authorization-server', 'openid-configuration'].map((name) => `/.well-known/${name}${base}`),
  };
}

/** Everything that the provider answers: what is not used is not reachable. */
const endpoints = ['/token', '/jwks', '/.well-known/openid-configuration'] as const;

/**
 * What the authorization endpoint says to everybody (RFC 6749 section 4.1.2.1; there is no client to redirect to). Clients of MCP take no
 * metadata that does not name one, so it is named and answers; the provider's own, which follows what a request names, is not reachable.
 */
const noAuthorization = {
  error: 'unauthorized_client',
  error_description: 'no client of this server signs people in: ask at the token endpoint, with client_credentials',
} as const;

/**
 * Puts the authorization server under its issuer's path. `current` gives the provider's handler of the moment, which
 * changes with a rotation; before there is one, the answer is 503.
 */
export async function mountProvider(
  fastify: FastifyInstance,
  issuer: string,
  current: () => RequestHandler | undefined,
): Promise<void> {
  const { base, wellKnown } = oauthPaths(issuer);
  const url = new URL(issuer);
  await fastify.register((scope, _options, done) => {
    // The provider reads bodies itself; a parser in front of it would leave it nothing to read.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    const handler = (request: FastifyRequest, reply: FastifyReply) => {
      const handle = current();
      if (!handle) return reply.code(503).send({ error: 'temporarily_unavailable' });
      reply.hijack();
      void handle(rewritten(request.raw, url, base), reply.raw);
    };
    for (const endpoint of endpoints) scope.all(`${base}${endpoint}`, handler);
    scope.route({
      method: ['GET', 'POST'],
      url: `${base}/authorize`,
      handler: (_request, reply) => reply.code(400).send(noAuthorization),
    });
    for (const path of wellKnown) scope.get(path, handler);
    done();
  });
}

/** The request as the provider expects it: no issuer path in front, and the host that the issuer names. */
function rewritten(raw: IncomingMessage, issuer: URL, base: string): IncomingMessage {
  const path = raw.url ?? '/';
  const inserted = /^\/\.well-known\/[a-z-]+/.exec(path);
  raw.url = inserted ? inserted[0] : path.slice(base.length) || '/';
  // Metadata and accepted audiences are made from these; a client must not choose them.
  raw.headers.host = issuer.host;
  raw.headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1);
  delete raw.headers['x-forwarded-host'];
  return Object.assign(raw, { baseUrl: base });
}
