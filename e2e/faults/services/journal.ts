/** A tool server that nobody kills: it writes down every call that reached it, so that effects can be counted from outside. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';

export interface Journal extends AsyncDisposable {
  /** `host:port` */
  readonly host: string;
  readonly url: string;
  /** How often each key was appended. */
  readonly appended: ReadonlyMap<string, number>;
}

/** Not idempotent, and it does not say that it is: a second call is a second line. */
const append = {
  name: 'append',
  description: 'Appends a line to the journal',
  inputSchema: { type: 'object' as const, properties: { key: { type: 'string' } }, required: ['key'] },
};

/** @param address to listen on */
export async function startJournal(address = '127.0.0.1'): Promise<Journal> {
  const appended = new Map<string, number>();
  const handler = createMcpHandler(() => {
    const server = new Server({ name: 'journal', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler('tools/list', () => ({ tools: [append] }));
    server.setRequestHandler('tools/call', ({ params }) => {
      const key = String(params.arguments?.['key']);
      appended.set(key, (appended.get(key) ?? 0) + 1);
      return { content: [{ type: 'text', text: `appended ${key}` }] };
    });
    return server;
  });
  const http = createServer((request, response) => {
    void handler.fetch(webRequest(request)).then((answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (answer.body === null) response.end();
      else Readable.fromWeb(answer.body as ReadableStream).pipe(response);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, address, resolve));
  const host = `${address}:${(http.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}/mcp`,
    appended,
    async [Symbol.asyncDispose]() {
      await handler.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function webRequest(request: IncomingMessage): Request {
  const body = request.method === 'POST' ? (Readable.toWeb(request) as ReadableStream) : undefined;
  return new Request(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`, {
    method: request.method ?? 'GET',
    headers: request.headers as Record<string, string>,
    ...(body !== undefined && { body, duplex: 'half' }),
  } as RequestInit);
}
