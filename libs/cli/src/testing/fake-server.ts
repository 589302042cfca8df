import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { malformed } from './contract.js';

/** A request as the fake saw it. */
export interface Seen {
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Handler = (request: Seen, response: ServerResponse) => void;

/** The HTTP side of Writ as far as a test says it: answers by `VERB /path`, and remembers what it was asked. */
export class FakeServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  private readonly handlers = new Map<string, Handler>();

  private constructor(
    readonly url: string,
    private readonly close: () => Promise<void>,
  ) {}

  static async start(): Promise<FakeServer> {
    const server = createServer((request, response) => void fake.serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const fake: FakeServer = new FakeServer(`http://127.0.0.1:${port}`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return fake;
  }

  on(route: string, handler: Handler): this {
    this.handlers.set(route, handler);
    return this;
  }

  /** Answers with JSON. */
  json(route: string, body: unknown, status = 200): this {
    return this.on(route, (_request, response) => {
      const type = status < 400 ? 'application/json' : 'application/problem+json';
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
    });
  }

  /** Refuses with a problem document. */
  problem(route: string, status: number, code: string, more: object = {}): this {
    const document = {
      type: `urn:writ:error:${code}`,
      title: 'A title',
      status,
      detail: `it is ${code}`,
      code,
      request_id: 'req_1',
      ...more,
    };
    return this.json(route, document, status);
  }

  /** Server-sent events, and how it ends: `end` in order, `break` in the middle. */
  events(
    route: string,
    frames: (request: Seen) => { frames: { id?: string; data: unknown }[]; then: 'end' | 'break' },
  ): this {
    return this.on(route, (request, response) => {
      const { frames: all, then } = frames(request);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const { id, data } of all)
        response.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
      if (then === 'end') response.end('event: end\ndata: {}\n\n');
      else response.end();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As the real one does: a command that sends what its method does not know would pass here and fail there. */
  private refuse(detail: string, response: ServerResponse): void {
    const document = { type: 'urn:writ:error:request.malformed', status: 400, code: 'request.malformed', detail };
    response.writeHead(400, { 'content-type': 'application/problem+json' }).end(JSON.stringify(document));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(request.url as string, this.url);
    const told = await text(request);
    const body: unknown = told === '' ? undefined : JSON.parse(told);
    const seen = { verb: request.method as string, path, query, headers: request.headers, body };
    this.seen.push(seen);
    const handler = this.handlers.get(`${seen.verb} ${path}`);
    const wrong = malformed(seen.verb, path, body);
    if (wrong !== undefined) this.refuse(wrong, response);
    else if (handler) handler(seen, response);
    else response.writeHead(404).end('{}');
  }
}
