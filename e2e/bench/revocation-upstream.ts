/** A small MCP server over HTTP for what is measured and cut: `note` answers at once, `wait` never. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, Server, type Tool } from '@modelcontextprotocol/server';

const inputSchema: Tool['inputSchema'] = {
  type: 'object',
  properties: { text: { type: 'string' } },
  required: ['text'],
};

/** Definitions are pinned by a person: one that is exchanged is another tool. */
export const noteTool: Tool = { name: 'note', description: 'Keeps a note', inputSchema };
const waitTool: Tool = { name: 'wait', description: 'Waits until it is told to stop', inputSchema };

export class Upstream implements AsyncDisposable {
  private tools: readonly Tool[] = [noteTool, waitTool];
  /** What `note` answers. */
  answer = 'noted';
  /** Calls that arrived here. */
  calls = 0;
  private readonly handler = createMcpHandler(() => this.server());
  private readonly http = createServer((request, response) => {
    void this.handler.fetch(webRequest(request, this.url)).then((answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (answer.body === null) response.end();
      else Readable.fromWeb(answer.body as ReadableStream).pipe(response);
    });
  });

  static async start(): Promise<Upstream> {
    const upstream = new Upstream();
    await new Promise<void>((resolve) => upstream.http.listen(0, '127.0.0.1', resolve));
    return upstream;
  }

  get host(): string {
    return `127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}/mcp`;
  }

  /** Offers other tools, and says so. Without any: the ones of the beginning. */
  offer(tools: readonly Tool[] = [noteTool, waitTool]): void {
    this.tools = tools;
    this.handler.notify.toolsChanged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handler.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private server(): Server {
    const server = new Server({ name: 'notes', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler('tools/list', () => ({ tools: [...this.tools] }));
    server.setRequestHandler('tools/call', async ({ params }) => {
      this.calls++;
      if (params.name === 'wait') await new Promise(() => {});
      return { content: [{ type: 'text', text: this.answer }] };
    });
    return server;
  }
}

function webRequest(request: IncomingMessage, url: string): Request {
  const body = request.method === 'POST' ? (Readable.toWeb(request) as ReadableStream) : undefined;
  return new Request(url, {
    method: request.method ?? 'GET',
    headers: request.headers as Record<string, string>,
    ...(body !== undefined && { body, duplex: 'half' }),
  } as RequestInit);
}
