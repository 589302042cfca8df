import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, Server, type McpHttpHandler, type Tool } from '@modelcontextprotocol/server';

/** A small MCP server over HTTP, made with the SDK; a test changes what it offers and reads what reached it. */
export class ExampleServer implements AsyncDisposable {
  readonly calls: { tool: string; input: unknown }[] = [];
  /** The headers of every request. */
  readonly headers: Record<string, unknown>[] = [];
  /** Where requests are sent instead of being answered. */
  redirectTo: string | undefined;
  /** Calls are answered when it resolves. */
  gate: Promise<void> = Promise.resolve();
  /** What a call answers. */
  text = 'done';
  private readonly http: HttpServer;
  private readonly handler: McpHttpHandler;

  private constructor(
    private tools: Tool[],
    make?: () => Server,
  ) {
    this.handler = createMcpHandler(make ?? (() => this.server()));
    this.http = createServer((request, response) => {
      this.headers.push(request.headers);
      if (this.redirectTo !== undefined) {
        response.writeHead(307, { location: this.redirectTo }).end();
        return;
      }
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      void this.handler.fetch(webRequest(request, this.url, gone.signal)).then((answer) => {
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        if (answer.body === null) response.end();
        else
          Readable.fromWeb(answer.body as ReadableStream)
            .on('error', () => response.end())
            .pipe(response);
      });
    });
  }

  /** @param make another server in its place */
  static async start(tools: Tool[], make?: () => Server): Promise<ExampleServer> {
    const example = new ExampleServer(tools, make);
    await new Promise<void>((resolve) => example.http.listen(0, '127.0.0.1', resolve));
    return example;
  }

  get host(): string {
    return `127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}/mcp`;
  }

  /** Offers other tools, and says so. */
  offer(tools: Tool[]): void {
    this.tools = tools;
    this.handler.notify.toolsChanged();
  }

  /** Offers other tools without a word. */
  exchange(tools: Tool[]): void {
    this.tools = tools;
  }

  /** Cuts every connection in the middle of whatever it carries. */
  cut(): void {
    this.http.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handler.close();
    this.cut();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private server(): Server {
    const server = new Server({ name: 'example', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler('tools/list', () => ({ tools: this.tools }));
    server.setRequestHandler('tools/call', async ({ params }) => {
      this.calls.push({ tool: params.name, input: params.arguments });
      await this.gate;
      return { content: [{ type: 'text', text: this.text }] };
    });
    return server;
  }
}

function webRequest(request: IncomingMessage, url: string, signal: AbortSignal): Request {
  const body = request.method === 'POST' ? (Readable.toWeb(request) as ReadableStream) : undefined;
  return new Request(url, {
    method: request.method ?? 'GET',
    headers: request.headers as Record<string, string>,
    signal,
    ...(body !== undefined && { body, duplex: 'half' }),
  } as RequestInit);
}
