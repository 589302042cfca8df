import { StorageType } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';

/** Where a replica of a service is reached. */
export interface Announcement {
  name: string;
  replica: string;
  /** `http://host:port` */
  httpUrl: string;
  /** `host:port`, no TLS. */
  grpcUrl: string;
}

/** Bucket of announcements; an entry that is not renewed is gone after 5 s. */
export const SERVICES_BUCKET = 'services';
const TTL_MS = 5000;
const RENEW_MS = 1000;

/**
 * Opens the bucket, made where it is missing. In memory: an address means nothing after a restart of the broker.
 */
export function openServices(nc: NatsConnection) {
  return new Kvm(nc).create(SERVICES_BUCKET, { ttl: TTL_MS, history: 1, storage: StorageType.Memory });
}

/** Tells the gateway and other services where this one is, each second until `stop`. */
export async function announce(
  nc: NatsConnection,
  entry: Announcement,
  onError: (error: unknown) => void,
): Promise<{ stop(): Promise<void> }> {
  const bucket = await openServices(nc);
  const key = `${entry.name}.${entry.replica}`;
  const value = JSON.stringify(entry);
  await bucket.put(key, value);
  const timer = setInterval(() => {
    bucket.put(key, value).catch(onError);
  }, RENEW_MS);
  return {
    async stop() {
      clearInterval(timer);
      await bucket.delete(key).catch(onError);
    },
  };
}
