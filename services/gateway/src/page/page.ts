import { readFileSync } from 'node:fs';
import { openApiDocument } from '@writ/api';
import type { FastifyInstance } from 'fastify';
import { implementedBy } from '../routing/routes.js';

const file = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/** What a client needs to know to begin: `GET /.well-known/writ`. */
export interface Beginnings {
  readonly issuer: string;
  readonly audience: string;
  /** `host:port` of gRPC. */
  readonly grpc: string;
  /** URL of the MCP endpoint, which is also its audience (RFC 8707). */
  readonly mcp: string;
}

/** The one OpenAPI document of all services, a page to read it, and where a client begins. */
export function servePages(fastify: FastifyInstance, beginnings: () => Beginnings): void {
  const document = JSON.stringify(openApiDocument(implementedBy.map(([service]) => service), { title: 'Writ' })); // prettier-ignore
  const html = file('api-page.html');
  const script = file('api-page.browser.js');
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
  fastify.get('/openapi.json', (_request, reply) => reply.type('application/json').send(document));
  fastify.get('/api-page.js', (_request, reply) => reply.type('text/javascript').send(script));
  fastify.get('/', (_request, reply) =>
    reply
      .type('text/html')
      .header('content-security-policy', policy)
      .header('x-content-type-options', 'nosniff')
      .send(html),
  );
  fastify.get('/.well-known/writ', (_request, reply) => reply.send(beginnings()));
}
