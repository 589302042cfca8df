import { Agent, request, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export interface Sent {
  readonly method: string;
  /** As it goes on the wire. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly ms: number;
}

/** Requests as they are given; of an answer that does not end, as that of events, the head is enough. */
export class HttpClient implements Disposable {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(readonly url: string) {}

  send({ method, path, headers = {}, body }: Sent): Promise<Answer> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const options = { method, path, headers: { ...length, ...headers }, agent: this.agent, timeout: 20_000 };
      const outgoing = request(this.url, options, (incoming) => {
        const chunks: Buffer[] = [];
        const type = incoming.headers['content-type'] ?? '';
        const done = (): void =>
          resolve({
            status: incoming.statusCode ?? 0,
            type,
            text: Buffer.concat(chunks).toString(),
            ms: performance.now() - began,
          });
        if (/ndjson|event-stream/.test(type)) {
          done();
          incoming.destroy();
          return;
        }
        incoming
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .once('end', done)
          .once('error', reject);
      });
      outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 20 s')));
      outgoing.once('error', (error) => reject(new Error(`${method} ${path.slice(0, 100)}: ${error.message}`)));
      outgoing.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}

/** Sends bytes as they are, and closes its half of the connection if told. @returns all that came back until the end */
export function sendBytes(url: string, bytes: string, options: { halfClose?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () =>
      options.halfClose ? socket.end(bytes, 'latin1') : socket.write(bytes, 'latin1'),
    );
    let received = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end within 10 s of ${bytes.slice(0, 60)}`)));
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.once('close', () => resolve(received)).once('error', reject);
  });
}
