import type { Blobs, BlobHash } from '@writ/blobs';
import type { Json } from '@writ/ledger/domain';
import type { ToolResult } from '../upstream/upstream.js';

/** Bytes of a result that the ledger keeps for a repeat; larger ones are kept as blobs, with their hash in the ledger. */
const MAX_INLINE = 48_000;

/** Bytes of a result that are handed out; of a larger one only where it is kept. */
export const MAX_HANDED_OUT = 1024 * 1024;

/** What an answered request leaves behind. */
export interface Answered<T> {
  readonly result: T;
  readonly summary: Json;
}

interface Kept {
  readonly blob?: BlobHash;
  readonly bytes?: number;
}

/** A claim check: the answer of a tool that is too large to hand out. It is kept whole, under its hash. */
export function handedOut(result: ToolResult, summary: Json): ToolResult {
  const { blob, bytes = 0 } = summary as Kept;
  if (blob === undefined || bytes <= MAX_HANDED_OUT) return result;
  const text = `The tool answered ${bytes} bytes, more than the ${MAX_HANDED_OUT} that are handed out. The answer is kept as ${blob}; ask for less.`;
  return { content: [{ type: 'text', text }], isError: result.isError, kept: { blob, bytes } };
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
    const { blob } = summary as Kept;
    if (blob === undefined) return summary;
    return JSON.parse(Buffer.from(await this.blobs.get(blob)).toString('utf8')) as Json;
  }
}
