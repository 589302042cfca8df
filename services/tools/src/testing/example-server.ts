import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, Server, type McpHttpHandler, type Tool } from '@modelcontextprotocol/server';

/** A small MCP server over HTTP, made with the SDK; a test changes what it offers and reads what reached it. */
export class ExampleServer implements AsyncDisposable {
  readonly calls: { tool: string; input: unknown }[] = [];
  /** The headers of every request. */
  readonly headers: Record<string, unknown>[] = [];
  /** Where a request is sent instead of being answered. */
  redirectTo: string | undefined;
  /** The answer of the next call waits for it. */
  gate: Promise<void> = Promise.resolve();
  private constructor(
    private readonly http: HttpServer,
    private readonly handler: McpHttpHandler,
    private readonly state: { tools: Tool[] },
  ) {}

  static async start(tools: Tool[]): Promise<ExampleServer> {
    const state = { tools };
    let example: ExampleServer;
    const handler = createMcpHandler(() => example.server(), { legacy: 'stateless' });
    const http = createServer((request, response) => {
      void (async () => {
        example.headers.push(request.headers);
        if (example.redirectTo !== undefined) {
          response.writeHead(307, { location: example.redirectTo }).end();
          return;
        }
        const answer = await handler.fetch(
          new Request(`${example.url}`, {
            method: request.method ?? 'GET',
            headers: request.headers as Record<string, string>,
            ...(request.method === 'POST' && { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' }),
          } as RequestInit),
        );
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        if (answer.body === null) response.end();
        else Readable.fromWeb(answer.body as ReadableStream).pipe(response);
      })();
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return (example = new ExampleServer(http, handler, state));
  }

  get host(): string {
    return `127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}/mcp`;
  }

  /** Offers other tools, and says so. */
  offer(tools: Tool[]): void {
    this.state.tools = tools;
    this.handler.notify.toolsChanged();
  }

  /** Offers other tools without a word. */
  exchange(tools: Tool[]): void {
    this.state.tools = tools;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handler.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private server(): Server {
    const server = new Server({ name: 'example', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler('tools/list', () => ({ tools: this.state.tools }));
    server.setRequestHandler('tools/call', async ({ params }) => {
      this.calls.push({ tool: params.name, input: params.arguments });
      await this.gate;
      return { content: [{ type: 'text', text: `did ${params.name} ${JSON.stringify(params.arguments)}` }] };
    });
    return server;
  }
}
