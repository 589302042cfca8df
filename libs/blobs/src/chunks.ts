import { AckPolicy, DeliverPolicy, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';

/**
 * The chunks of one object in order, no more than a few ahead of the reader: the store's own `get` delivers a whole
 * object as fast as the broker can, however slow the reader is.
 */
export async function* readChunks(
  js: JetStreamClient,
  jsm: JetStreamManager,
  bucket: string,
  object: { nuid: string; chunks: number },
): AsyncGenerator<Uint8Array> {
  if (object.chunks === 0) return;
  const stream = `OBJ_${bucket}`;
  const { name } = await jsm.consumers.add(stream, {
    filter_subject: `$O.${bucket}.C.${object.nuid}`,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.None,
    inactive_threshold: 60e9,
    mem_storage: true,
  });
  try {
    const consumer = await js.consumers.get(stream, name);
    for (let left = object.chunks; left > 0;) {
      // A bounded fetch ends by itself, also when a chunk is missing: the hash then tells.
      const batch = await consumer.fetch({ max_messages: Math.min(left, 16), expires: 5_000 });
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
