import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isInitializeRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
  WebStandardStreamableHTTPServerTransport,
  type Server,
} from '@modelcontextprotocol/server';
import { EventLog } from './event-log.js';
import { referenceServer, type Announce } from './reference-features.js';

/**
 * `node reference-server.js`: an MCP server with all that the conformance suite asks for, made with the official SDK, and
 * nothing of Writ in it. Both eras: each request by itself, and sessions. Prints `{"ready":{"url"}}`.
 */
const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
const modern = createMcpHandler(() => referenceServer(announce), { legacy: 'reject' });
const announce: Announce = {
  tools: () => modern.notify.toolsChanged(),
  prompts: () => modern.notify.promptsChanged(),
};

async function serve(request: Request): Promise<Response> {
  const refused =
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins());
  if (refused) return refused;
  const session = request.headers.get('mcp-session-id');
  if (session !== null) {
    const known = sessions.get(session);
    return known ? known.handleRequest(request) : new Response('no such session', { status: 404 });
  }
  if (request.method !== 'POST') return modern.fetch(request);
  const body = (await request
    .clone()
    .json()
    .catch(() => undefined)) as unknown;
  if (!isInitializeRequest(body)) return modern.fetch(request);
  return (await opened()).handleRequest(request, { parsedBody: body });
}

async function opened(): Promise<WebStandardStreamableHTTPServerTransport> {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
    eventStore: new EventLog(),
    retryInterval: 500,
  });
  const server: Server = referenceServer(announce);
  await server.connect(transport);
  return transport;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const body = request.method === 'POST' ? { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' } : {};
  const answered = await serve(
    new Request(`http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      signal: gone.signal,
      ...body,
    } as RequestInit),
  );
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  if (answered.body === null) response.end();
  else
    Readable.fromWeb(answered.body as ReadableStream)
      .on('error', () => response.end())
      .pipe(response);
}

const http = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
http.listen(0, '127.0.0.1', () => {
  const url = `http://localhost:${(http.address() as AddressInfo).port}/mcp`;
  console.log(JSON.stringify({ ready: { url } }));
});
process.once('SIGTERM', () => process.exit(0));
