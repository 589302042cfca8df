import { createHash } from 'node:crypto';
import { AckPolicy, DeliverPolicy, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { nuid } from '@nats-io/nats-core';

/** Of one message. Each is acknowledged when it is on the disk, so fewer are faster; a broker takes 8 MiB. */
const chunkBytes = 1024 * 1024;
/** Published and not acknowledged: what one object holds in memory. The store's own `put` waits for each. */
const underWay = 4;
/** Asked for at once: what one reader holds in memory. */
const aheadBytes = 4 * 1024 * 1024;

/** The content of an object as it lies in the stream of its bucket. */
export interface Stored {
  readonly nuid: string;
  readonly chunks: number;
  readonly size: number;
}

/** Where the content of an object lies. */
export function chunkSubject(bucket: string, id: string): string {
  return `$O.${bucket}.C.${id}`;
}

/**
 * Writes what comes, and hashes it on the way. What is left over when it fails nobody can find: it is purged.
 * @returns with the SHA-256 of the content, hexadecimal
 */
export async function writeChunks(
  js: JetStreamClient,
  jsm: JetStreamManager,
  bucket: string,
  content: AsyncIterable<Uint8Array>,
): Promise<Stored & { sha256: string }> {
  const id = nuid.next();
  const subject = chunkSubject(bucket, id);
  const digest = createHash('sha256');
  const publishing: Promise<unknown>[] = [];
  let [chunks, size] = [0, 0];
  try {
    for await (const chunk of pieces(content)) {
      if (publishing.length === underWay) await publishing.shift();
      digest.update(chunk);
      chunks++;
      size += chunk.length;
      const published = js.publish(subject, chunk);
      published.catch(() => undefined); // awaited in its turn
      publishing.push(published);
    }
    await Promise.all(publishing);
  } catch (error) {
    await Promise.allSettled(publishing);
    await jsm.streams.purge(`OBJ_${bucket}`, { filter: subject });
    throw error;
  }
  return { nuid: id, chunks, size, sha256: digest.digest('hex') };
}

/** The same bytes in pieces of one size, whatever sizes they come in. */
async function* pieces(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let filled = 0;
  const whole = () => (parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, filled));
  for await (const bytes of content)
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + chunkBytes - filled);
      parts.push(part);
      filled += part.length;
      at += part.length;
      if (filled < chunkBytes) continue;
      yield whole();
      parts = [];
      filled = 0;
    }
  if (filled > 0) yield whole();
}

/**
 * The chunks of one object in order, no more than a few ahead of the reader: the store's own `get` delivers a whole
 * object as fast as the broker can, however slow the reader is.
 */
export async function* readChunks(
  js: JetStreamClient,
  jsm: JetStreamManager,
  bucket: string,
  object: Stored,
): AsyncGenerator<Uint8Array> {
  if (object.chunks === 0) return;
  const stream = `OBJ_${bucket}`;
  const atOnce = Math.max(2, Math.floor((aheadBytes * object.chunks) / object.size));
  const { name } = await jsm.consumers.add(stream, {
    filter_subject: chunkSubject(bucket, object.nuid),
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.None,
    inactive_threshold: 60e9,
    mem_storage: true,
  });
  try {
    const consumer = await js.consumers.get(stream, name);
    for (let left = object.chunks; left > 0;) {
      // A bounded fetch ends by itself, also when a chunk is missing: the hash then tells.
      const batch = await consumer.fetch({ max_messages: Math.min(left, atOnce), expires: 5_000 });
      let got = 0;
      for await (const message of batch) {
        got++;
        yield message.data;
      }
      if (got === 0) return;
      left -= got;
    }
  } finally {
    await jsm.consumers.delete(stream, name).catch(() => undefined);
  }
}
