import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastifyOptions } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import type { FastifyInstance } from 'fastify';

/** What is for whoever runs the installation, and for nobody else: what it consists of, how it does, who calls what. */
const operations: ReadonlySet<string | undefined> = new Set(['/metrics', '/health/services']);

/**
 * The same routes on a port for the outside, without the pages of operations; readiness is a word there. They stay on
 * the port that is for the inside, where Prometheus finds them as those of every service.
 */
export class HttpDoor {
  private readonly server: Server;

  constructor(fastify: FastifyInstance, isReady: () => Promise<boolean>) {
    const { http, requestTimeout = 0, clientErrorHandler } = fastifyOptions();
    this.server = createServer({ ...http, requestTimeout }, (request, response) => fastify.routing(request, response));
    this.server.on('clientError', (error, socket) =>
      clientErrorHandler?.call(fastify, error as never, socket as never),
    );
    fastify.addHook('onRequest', async ({ raw, routeOptions }, reply) => {
      if (raw.socket.localPort !== this.port) return;
      // The route and not the address, which has many ways to be written.
      if (operations.has(routeOptions.url))
        throw refuse(
          'request.not_found',
          'this is told on the port for the inside only (WRIT_HTTP_PORT of the gateway)',
        );
      if (routeOptions.url !== '/health/ready') return;
      const ready = await isReady();
      return reply
        .status(ready ? 200 : 503)
        .header('cache-control', 'no-store')
        .send({ ready });
    });
  }

  /** @returns the port */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(port, host, resolve);
    });
    return this.port as number;
  }

  /** Takes nothing new; what is under way may end until `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    const cut = setTimeout(() => this.server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(cut);
  }

  private get port(): number | undefined {
    return (this.server.address() as AddressInfo | null)?.port;
  }
}
