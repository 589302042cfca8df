import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';

const file = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/** What a client needs to know to begin: `GET /.well-known/writ`. */
export interface Beginnings {
  readonly issuer: string;
  readonly audience: string;
  /** `http://host:port` of gRPC. */
  readonly grpc: string;
  /** URL of the MCP endpoint, which is also its audience (RFC 8707). */
  readonly mcp: string;
  /** Schedulers, each `http://host:port`, which workers connect to themselves. Absent: they come by `grpc`. */
  readonly workers?: readonly string[];
}

/** A page to read `/openapi.json`, and where a client begins. */
export function servePages(fastify: FastifyInstance, beginnings: () => Beginnings): void {
  const html = file('api-page.html');
  const script = file('api-page.browser.js');
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
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
