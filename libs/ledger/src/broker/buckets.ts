import { jetstream } from '@nats-io/jetstream';
import { Kvm, type KV, type KvOptions } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';

/** Streams and buckets are made at the start of everything, all at once, and that goes to the disk. */
export const makeTimeoutMs = 20_000;

export interface Patience {
  /** With its making, where it is missing; default 20 s. */
  readonly makeMs?: number;
  /** With each use; default: that of the connection. */
  readonly useMs?: number;
}

/** A bucket, made where it is missing. */
export async function openBucket(
  nc: NatsConnection,
  name: string,
  options: Partial<KvOptions>,
  { makeMs = makeTimeoutMs, useMs }: Patience = {},
): Promise<KV> {
  await new Kvm(jetstream(nc, { timeout: makeMs, checkAPI: false })).create(name, options);
  const use = jetstream(nc, { checkAPI: false, ...(useMs !== undefined && { timeout: useMs }) });
  return new Kvm(use).open(name, { allow_direct: true });
}
