import type { Blobs, BlobHash } from '@writ/blobs';
import type { Json } from '@writ/ledger/domain';

/** Bytes of a result that the ledger keeps for a repeat; larger ones are kept as blobs, with their hash in the ledger. */
const MAX_INLINE = 48_000;

/** What an answered request leaves behind. */
export interface Answered<T> {
  readonly result: T;
  readonly summary: Json;
}

/** Answers of servers, as they are kept for a repeat. */
export class Results {
  constructor(private readonly blobs: Pick<Blobs, 'put' | 'get'>) {}

  async keep<T extends object>(result: T): Promise<Answered<T>> {
    const text = JSON.stringify(result);
    if (text.length * 3 <= MAX_INLINE || Buffer.byteLength(text) <= MAX_INLINE)
      return { result, summary: result as unknown as Json };
    const bytes = Buffer.from(text);
    const { hash } = await this.blobs.put(bytes);
    return { result, summary: { blob: hash, bytes: bytes.length } };
  }

  async recall(summary: Json): Promise<Json> {
    const { blob } = summary as { blob?: BlobHash };
    if (blob === undefined) return summary;
    return JSON.parse(Buffer.from(await this.blobs.get(blob)).toString('utf8')) as Json;
  }
}
