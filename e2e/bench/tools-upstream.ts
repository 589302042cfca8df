import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';

/** `node tools-upstream.js`: an MCP server with one tool, made with the official SDK. Prints `{"ready":{"url"}}`. */
const inputSchema = {
  type: 'object' as const,
  properties: { path: { type: 'string' }, size: { type: 'integer' }, content: { type: 'string' } },
  required: ['path', 'size'],
};

const handler = createMcpHandler(
  () => {
    const server = new Server({ name: 'upstream', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler('tools/list', () => ({ tools: [{ name: 'write', description: 'Writes', inputSchema }] }));
    server.setRequestHandler('tools/call', () => ({ content: [{ type: 'text', text: 'written' }] }));
    return server;
  },
  { responseMode: 'json' },
);

const http = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const method = request.method ?? 'GET';
    const options = method === 'POST' ? { parsedBody: JSON.parse(Buffer.concat(parts).toString()) as unknown } : {};
    void handler.fetch(new Request('http://localhost/mcp', { method, headers }), options).then(async (answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (answer.headers.get('content-type')?.startsWith('text/event-stream'))
        Readable.fromWeb(answer.body as ReadableStream).pipe(response);
      else response.end(await answer.text());
    });
  });
});
http.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` } }));
});
process.once('SIGTERM', () => process.exit(0));
