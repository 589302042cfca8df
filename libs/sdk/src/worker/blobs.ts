import { WorkerService, type Blob as BlobReference } from '@writ/proto/worker/v1/worker';
import { WritError } from '../errors/errors.js';
import type { Session } from '../client/session.js';

/** Where a value is that was too large for a frame. */
export type Reference = Pick<BlobReference, 'hash' | 'sizeBytes'>;

const chunkBytes = 512 * 1024;

/** Reads a value that was too large for a frame. Its hash is the server's to check: it covers more than the value. */
export async function readBlob(session: Session, blob: Reference, signal?: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of session.stream(WorkerService.method.readValue, { blob }, { signal }))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Stores a value that is too large for a frame. The same value stored twice is one. */
export async function uploadBlob(session: Session, value: Uint8Array, signal?: AbortSignal): Promise<Reference> {
  const [channel, token] = [await session.channel(), await session.token()];
  const chunks = function* () {
    for (let at = 0; at < value.length; at += chunkBytes) yield { chunk: value.subarray(at, at + chunkBytes) };
  };
  const { blob } = await channel.clientStream(WorkerService.method.uploadValue, chunks(), {
    token,
    headers: session.headers(),
    signal,
  });
  if (!blob) throw new WritError('the server stored a value and did not say where', { code: 'internal.error' });
  return blob;
}
