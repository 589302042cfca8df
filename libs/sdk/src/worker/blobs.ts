import { WorkerService, type Blob as BlobReference } from '@writ/proto/worker/v1/worker';
import type { StoredAt } from '../codec/stored.js';
import { WritError } from '../errors/errors.js';
import type { Session } from '../client/session.js';

/** Where a value is that was too large for a frame. */
export type Reference = Pick<BlobReference, 'hash' | 'sizeBytes'>;

const chunkBytes = 512 * 1024;

/** Reads what lies in the store, as fast as it is taken. Its hash is the server's to check: it covers more than the value. */
export async function* readStream(session: Session, blob: Reference, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const { chunk } of session.stream(WorkerService.method.readValue, { blob }, { signal })) yield chunk;
}

/** Reads a value that was too large for a frame. */
export async function readBlob(session: Session, blob: Reference, signal?: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readStream(session, blob, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Stores what comes, of which only a few chunks are in memory at a time. What is not finished leaves nothing. */
export async function uploadStream(
  session: Session,
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<StoredAt> {
  const [channel, token] = [await session.channel(), await session.token()];
  const { blob } = await channel.clientStream(WorkerService.method.uploadValue, chunksOf(content), {
    token,
    headers: session.headers(),
    signal,
  });
  if (!blob) throw new WritError('the server stored a value and did not say where', { code: 'internal.error' });
  return { hash: blob.hash, sizeBytes: Number(blob.sizeBytes) };
}

/** Stores a value that is too large for a frame. The same value stored twice is one. */
export async function uploadBlob(session: Session, value: Uint8Array, signal?: AbortSignal): Promise<Reference> {
  const { hash, sizeBytes } = await uploadStream(session, [value], signal);
  return { hash, sizeBytes: BigInt(sizeBytes) };
}

async function* chunksOf(content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  for await (const bytes of content) {
    if (!(bytes instanceof Uint8Array))
      throw new WritError(`a stream that is stored gives bytes, and this one gave a ${typeof bytes}`, {
        code: 'codec.unsupported',
        hint: 'encode text: new TextEncoder().encode(text)',
      });
    for (let at = 0; at < bytes.length; at += chunkBytes) yield { chunk: bytes.subarray(at, at + chunkBytes) };
  }
}
