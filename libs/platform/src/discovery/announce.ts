import { setTimeout as sleep } from 'node:timers/promises';
import { StorageType } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { openBucket, untilNext } from '@writ/ledger';

/** Where a replica of a service is reached. */
export interface Announcement {
  name: string;
  replica: string;
  /** `http://host:port` */
  httpUrl: string;
  /** `http://host:port`, no TLS. */
  grpcUrl: string;
}

/** Bucket of announcements; an entry that is not renewed is gone after 5 s. */
export const SERVICES_BUCKET = 'services';
export const TTL_MS = 5000;
const RENEW_MS = 1000;
/** An answer that a restart of the broker has swallowed is not waited for longer. */
const PATIENCE_MS = 1500;

/**
 * Opens the bucket, made where it is missing. In memory: an address means nothing after a restart of the broker, which
 * therefore forgets the bucket itself; whoever announces next makes it again.
 * @param copies of it in a cluster
 */
export function openServices(nc: NatsConnection, copies = 1, patience: { makeMs?: number } = {}): Promise<KV> {
  const options = { ttl: TTL_MS, history: 1, storage: StorageType.Memory, replicas: copies };
  return openBucket(nc, SERVICES_BUCKET, options, { ...patience, useMs: PATIENCE_MS });
}

/** Subject of an entry: a write to a bucket is a plain message. */
export function entrySubject(key: string): string {
  return `$KV.${SERVICES_BUCKET}.${key}`;
}

/**
 * Tells the gateway and other services where this one is, each second until `stop`, over every restart of the broker.
 * @param onError hears of the first failure of an outage only
 * @param copies of the bucket in a cluster
 * @throws Error when the first announcement fails
 */
export async function announce(
  nc: NatsConnection,
  entry: Announcement,
  onError: (error: unknown) => void,
  copies = 1,
): Promise<{ stop(): Promise<void> }> {
  const key = `${entry.name}.${entry.replica}`;
  const value = JSON.stringify(entry);
  const stopping = new AbortController();
  let bucket = await openServices(nc, copies);
  await bucket.put(key, value);
  const renewing = (async () => {
    let failed = false;
    while ((await slept(stopping.signal)) && !nc.isClosed()) {
      try {
        await bucket.put(key, value);
        failed = false;
      } catch (error) {
        if (!failed && !stopping.signal.aborted) onError(error);
        failed = true;
        bucket = await openServices(nc, copies, { makeMs: PATIENCE_MS }).catch(() => bucket);
      }
    }
  })();
  // A put that waits for a broker that is away ends by itself; nobody has to wait for it.
  renewing.catch(onError);
  return {
    async stop() {
      stopping.abort();
      if (nc.isClosed()) return;
      const gone = headers();
      gone.set('KV-Operation', 'DEL');
      // Not acknowledged: without a broker the answer would be waited for, and the entry runs out by itself.
      nc.publish(entrySubject(key), '', { headers: gone });
    },
  };
}

/** @returns false when it is time to stop */
async function slept(signal: AbortSignal): Promise<boolean> {
  await sleep(untilNext(RENEW_MS), undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
