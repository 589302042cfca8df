/** A collector of traces: takes what OTLP over HTTP sends as JSON. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Span {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface Attribute {
  key: string;
  value: { stringValue?: string };
}
interface Export {
  resourceSpans?: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<Span, 'service' | 'attributes'> & { attributes?: Attribute[] })[] }[];
  }[];
}

export class Collector implements AsyncDisposable {
  readonly spans: Span[] = [];
  /** Everything that arrived, as it was sent. */
  text = '';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Collector> {
    const collector: Collector = new Collector(
      createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          collector.take(Buffer.concat(chunks).toString());
          response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        });
      }),
    );
    await new Promise<void>((resolve) => collector.server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  of(traceId: string): Span[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(body: string): void {
    this.text += body;
    for (const { resource, scopeSpans } of (JSON.parse(body) as Export).resourceSpans ?? [])
      for (const { spans } of scopeSpans)
        for (const span of spans)
          this.spans.push({
            ...span,
            service: namesOf(resource.attributes)['service.name'] ?? '',
            attributes: namesOf(span.attributes ?? []),
          });
  }
}

function namesOf(attributes: readonly Attribute[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? JSON.stringify(value)]));
}
