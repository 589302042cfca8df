import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateSync } from 'node:zlib';

/** What the server says it has, and what it sends. */
export interface Said {
  readonly refs?: readonly string[];
  readonly pack?: Buffer;
  /** Instead of all that. */
  readonly answer?: (response: ServerResponse) => void;
}

const COMMIT = '1'.repeat(40);

/** A Git server that speaks the protocol, and says what a hostile one would. */
export class HostileGitServer implements AsyncDisposable {
  readonly seen: string[] = [];
  said: Said = {};
  private readonly http: Server;

  private constructor() {
    this.http = createServer((request, response) => {
      this.seen.push(`${request.headers.host} ${request.url}`);
      const { refs = ['refs/heads/main'], pack = Buffer.alloc(0), answer } = this.said;
      if (answer !== undefined) return answer(response);
      const advertises = request.method === 'GET';
      response.setHeader('content-type', `application/x-git-upload-pack-${advertises ? 'advertisement' : 'result'}`);
      if (!advertises)
        return void request.resume().once('end', () => response.end(Buffer.concat([line('NAK\n'), pack])));
      const lines = ['HEAD\0symref=HEAD:refs/heads/main', ...refs].map((ref) => line(`${COMMIT} ${ref}\n`));
      response.end(
        Buffer.concat([line('# service=git-upload-pack\n'), Buffer.from('0000'), ...lines, Buffer.from('0000')]),
      );
    });
  }

  static async start(): Promise<HostileGitServer> {
    const server = new HostileGitServer();
    await new Promise<void>((resolve) => server.http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }
}

/** A pack of a few KiB with an object that unfolds to `mib`: a delta that copies its base of zeros again and again. */
export function deltaBomb(mib: number): Buffer {
  const base = Buffer.alloc(16 * 1024 * 1024);
  const id = createHash('sha1').update(`blob ${base.length}\0`).update(base).digest();
  const copy = Buffer.from([0xf0, 0, 0, 0x80]); // from offset 0, 0x800000 bytes
  const copies = Array.from({ length: mib / 8 }, () => copy);
  const delta = Buffer.concat([varint(base.length), varint(mib * 1024 * 1024), ...copies]);
  return packOf([
    [3, base, Buffer.alloc(0)],
    [7, delta, id],
  ]);
}

/** A pack file: type, content, and what stands between (the id of a delta's base). */
function packOf(objects: readonly [type: number, content: Buffer, between: Buffer][]): Buffer {
  const header = Buffer.alloc(12);
  header.write('PACK');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(objects.length, 8);
  const body = objects.flatMap(([type, content, between]) => [
    objectHead(type, content.length),
    between,
    deflateSync(content),
  ]);
  const all = Buffer.concat([header, ...body]);
  return Buffer.concat([all, createHash('sha1').update(all).digest()]);
}

function objectHead(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 15)];
  for (let left = Math.floor(size / 16); left > 0; left = Math.floor(left / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(left & 127);
  }
  return Buffer.from(bytes);
}

function varint(value: number): Buffer {
  const bytes = [value & 127];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(left & 127);
  }
  return Buffer.from(bytes);
}

const line = (text: string): Buffer => Buffer.from((text.length + 4).toString(16).padStart(4, '0') + text);
