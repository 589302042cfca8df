import { createServer, request as send, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/**
 * Puts a token into each request and passes everything else on as it came, `Host` and `Origin` too: the suite has none. It
 * stands where the public URL of the gateway points to.
 */
export class TokenProxy implements AsyncDisposable {
  private target: { url: string; authorization?: string } | undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TokenProxy> {
    const server = createServer();
    const proxy = new TokenProxy(server);
    server.on('request', (down, answer) => {
      const { url = '', authorization } = proxy.target ?? {};
      const up = send(new URL(down.url ?? '/', url), {
        method: down.method,
        headers: { ...down.headers, ...(authorization !== undefined && { authorization }) },
      });
      answer.once('close', () => up.destroy());
      up.once('response', (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        answer.flushHeaders();
        pipeline(response, answer, () => undefined);
      });
      up.once('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
      down.pipe(up);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  /** Without a token it changes nothing. */
  leadTo(url: string, token?: string): void {
    this.target = { url, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
