import { BlobNotFound, type Blobs } from '@writ/blobs';
import { refuse, type Json } from '@writ/ledger/domain';
import type { BlobRef, Content } from '../run/run.events.js';

/** No value may be larger: a step that returns more has failed. */
export const maxValueBytes = 1024 * 1024 * 1024;

const referred = /"blob":\{"hash":"(sha256:[0-9a-f]{64})"/g;

/**
 * Values that are too large for the ledger. A blob begins with a line that names its tenant, and the hash covers that
 * line: who knows the hash of another tenant's value still cannot read it.
 */
export class Values {
  constructor(private readonly blobs: Pick<Blobs, 'put' | 'stream'>) {}

  /** @throws DomainError `run.value_too_large` */
  async put(tenant: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<BlobRef> {
    let sizeBytes = 0;
    const counted = async function* () {
      yield headOf(tenant);
      for await (const chunk of content instanceof Uint8Array ? [content] : content) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxValueBytes)
          throw refuse('run.value_too_large', `a value may have ${maxValueBytes} bytes, and this one has more`);
        yield chunk;
      }
    };
    const { hash } = await this.blobs.put(ReadableStream.from(counted()) as ReadableStream<Uint8Array>);
    return { hash, sizeBytes };
  }

  /** @throws DomainError `run.value_not_found` also when it is another tenant's */
  async *read(tenant: string, hash: string): AsyncIterable<Uint8Array> {
    const missing = () => refuse('run.value_not_found', `there is no value ${hash}`);
    if (!/^sha256:[0-9a-f]{64}$/.test(hash)) throw missing();
    const head = headOf(tenant);
    let seen: Uint8Array | undefined = new Uint8Array(0);
    try {
      for await (const chunk of await this.blobs.stream(hash)) {
        if (!seen) {
          yield chunk;
          continue;
        }
        seen = Buffer.concat([seen, chunk]);
        if (seen.length < head.length) continue;
        if (Buffer.compare(seen.subarray(0, head.length), head) !== 0) throw missing();
        if (seen.length > head.length) yield seen.subarray(head.length);
        seen = undefined;
      }
    } catch (error) {
      throw error instanceof BlobNotFound ? missing() : error;
    }
    if (seen) throw missing();
  }

  /** Whether a value refers to stored bytes: `{"$stored": {"hash": "sha256:…", …}}`. */
  async mentions(tenant: string, { value, blob }: Content, stored: string): Promise<boolean> {
    const mark = JSON.stringify({ hash: stored }).slice(1, -1);
    if (!blob) return value !== undefined && JSON.stringify(value).includes(mark);
    let tail = '';
    for await (const chunk of this.read(tenant, blob.hash)) {
      const text = tail + Buffer.from(chunk).toString('latin1');
      if (text.includes(mark)) return true;
      tail = text.slice(-mark.length);
    }
    return false;
  }

  /** Whether events refer to a value, by their own data or in a value that they refer to. */
  async inRecord(tenant: string, events: readonly { data: Json }[], hash: string): Promise<boolean> {
    const texts = events.map(({ data }) => JSON.stringify(data));
    if (texts.some((text) => text.includes(hash))) return true;
    const stored = texts.flatMap((text) => Array.from(text.matchAll(referred), ([, blob]) => blob as string));
    for (const blob of new Set(stored))
      if (await this.mentions(tenant, { blob: { hash: blob, sizeBytes: 0 } }, hash)) return true;
    return false;
  }

  /** How large a value is. @throws DomainError `run.value_not_found` */
  async size(tenant: string, hash: string): Promise<number> {
    let bytes = 0;
    for await (const chunk of this.read(tenant, hash)) bytes += chunk.length;
    return bytes;
  }

  /** A whole value, where it is not larger than `most` bytes. */
  async text(tenant: string, { hash, sizeBytes }: BlobRef, most: number): Promise<string | undefined> {
    if (sizeBytes > most) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(tenant, hash)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  }
}

function headOf(tenant: string): Buffer {
  return Buffer.from(`writ-value ${tenant}\n`);
}
