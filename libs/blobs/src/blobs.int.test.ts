import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Objm } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { findOldNatsServer, type NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { BlobCorrupt, BlobNotFound, Blobs, hashOf } from './index.js';

const old = await findOldNatsServer();
const binaries: [string, string | undefined][] = [
  ['today', undefined],
  ...(old ? [['2.9', old.path] as [string, string]] : []),
];

describe.each(binaries)('blobs on a nats-server of %s', (_, binary) => {
  let nats: NatsServer;
  let nc: NatsConnection;
  let blobs: Blobs;

  beforeAll(async () => {
    nats = await startSuiteNats(binary === undefined ? {} : { binary });
    nc = await connect({ servers: nats.url });
    blobs = await Blobs.open(nc);
  });
  afterAll(async () => {
    await nc.close();
    await nats.stop();
  });

  const streamed = (bytes: Uint8Array, chunk = 100_000): ReadableStream<Uint8Array> =>
    ReadableStream.from(
      (function* () {
        for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
      })(),
    );
  const gather = async (stream: ReadableStream<Uint8Array>): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  test.each([0, 1, 128 * 1024, 3_000_001])(
    '%i bytes come back, whole and as a stream, under their own hash',
    async (size) => {
      const bytes = randomBytes(size);
      const ref = await blobs.put(bytes);
      expect(ref).toEqual({ hash: hashOf(bytes), size });
      expect(Buffer.from(await blobs.get(ref.hash)).equals(bytes)).toBe(true);
      expect((await gather(await blobs.stream(ref.hash))).equals(bytes)).toBe(true);
      expect(await blobs.size(ref.hash)).toBe(size);
    },
  );

  test('a stream is stored under the hash of what it carried', async () => {
    const bytes = randomBytes(2_345_678);
    expect(await blobs.put(streamed(bytes))).toEqual({ hash: hashOf(bytes), size: bytes.length });
    expect(Buffer.from(await blobs.get(hashOf(bytes))).equals(bytes)).toBe(true);
  });

  test('the same content twice is one blob', async () => {
    verifies('blobs.once');
    const bytes = randomBytes(500_000);
    const store = await new Objm(nc).open('blobs');
    await blobs.put(bytes);
    const before = (await store.status()).size;
    await Promise.all([blobs.put(bytes), blobs.put(streamed(bytes))]);
    expect((await store.status()).size - before).toBeLessThan(2_000);
    expect(Buffer.from(await blobs.get(hashOf(bytes))).equals(bytes)).toBe(true);
  });

  test('a stream that fails leaves nothing', async () => {
    const bytes = randomBytes(300_000);
    const failing = streamed(bytes).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({ flush: () => Promise.reject(new Error('the source broke')) }),
    );
    await expect(blobs.put(failing)).rejects.toThrow('the source broke');
    expect(await blobs.has(hashOf(bytes))).toBe(false);
  });

  test('what the store changed is noticed', async () => {
    verifies('blobs.verified');
    const bytes = randomBytes(400_000);
    const { hash } = await blobs.put(bytes);
    const store = await new Objm(nc).open('blobs');
    bytes[200_000] = (bytes[200_000] as number) ^ 1;
    await store.putBlob({ name: hash.slice(7) }, bytes);
    await expect(blobs.get(hash)).rejects.toBeInstanceOf(BlobCorrupt);
    await expect(blobs.stream(hash).then(gather)).rejects.toBeInstanceOf(BlobCorrupt);
  });

  test('what is not there is said so, and what is not a hash', async () => {
    const absent = hashOf(randomBytes(8));
    await expect(blobs.get(absent)).rejects.toBeInstanceOf(BlobNotFound);
    await expect(blobs.stream(absent)).rejects.toBeInstanceOf(BlobNotFound);
    expect(await blobs.has(absent)).toBe(false);
    await expect(blobs.get('sha256:../x')).rejects.toThrow(TypeError);
  });

  test('a reader that stops in the middle leaves no consumer behind', async () => {
    const { hash } = await blobs.put(randomBytes(4_000_000));
    for await (const _chunk of await blobs.stream(hash)) break;
    const again = await blobs.stream(hash);
    await again.cancel();
    const consumers = async (): Promise<number> =>
      (await (await new Objm(nc).open('blobs')).status()).streamInfo.state.consumer_count;
    await eventually(async () => (await consumers()) === 0);
  });
});
