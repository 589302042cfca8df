import type { NatsConnection } from '@nats-io/nats-core';

/** What this broker can do. nats-server 2.9 silently ignores what it does not know, so nothing is assumed. */
export interface ServerInfo {
  /** `2.15.1`. */
  readonly version: string;
  /** Whether an acknowledgement means fsync (`sync_interval: always`) or only a write that survives a killed process. */
  readonly durability: 'fsync' | 'flush';
  /** Largest message, bytes. */
  readonly maxPayload: number;
  readonly features: ServerFeatures;
}

export interface ServerFeatures {
  /** 2.10: `sync_interval` exists, so `fsync` is possible. */
  readonly syncInterval: boolean;
  /** 2.11: a direct get may fetch many messages. */
  readonly batchGet: boolean;
  /** 2.12: unknown fields of a request are refused instead of ignored. */
  readonly strictApi: boolean;
  /** 2.15: a stream that does not say otherwise takes 1,000 consumers. */
  readonly consumerCap: boolean;
}

/** The first version that has each feature. */
const since: Record<keyof ServerFeatures, readonly [major: number, minor: number]> = {
  syncInterval: [2, 10],
  batchGet: [2, 11],
  strictApi: [2, 12],
  consumerCap: [2, 15],
};

/** The oldest server with everything the ledger stands on: expected last sequence, direct get, ephemeral pull consumers. */
const oldest = [2, 9] as const;

/**
 * Reads the capability table by the version that the server told in its INFO.
 * @throws Error when it is older than 2.9, has no JetStream, or cannot do the durability that is claimed for it
 */
export function serverInfo(nc: NatsConnection, claimed: 'fsync' | 'flush' | undefined): ServerInfo {
  const { version = '', max_payload: maxPayload = 1 << 20, jetstream, headers } = nc.info ?? {};
  if (!atLeast(version, oldest))
    throw new Error(`nats-server ${version || '?'} is too old: the ledger needs 2.9 or newer`);
  if (!jetstream || !headers) throw new Error(`nats-server ${version} runs without JetStream: start it with one`);
  const features = featuresOf(version);
  if (claimed === 'fsync' && !features.syncInterval)
    throw new Error(`nats-server ${version} cannot sync each write: durability fsync needs 2.10 or newer`);
  return { version, durability: claimed ?? 'flush', maxPayload, features };
}

/** The capability table of one version. */
export function featuresOf(version: string): ServerFeatures {
  const entries = Object.entries(since).map(([name, first]) => [name, atLeast(version, first)]);
  return Object.fromEntries(entries) as unknown as ServerFeatures;
}

function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  if (!match) return false;
  const [found, foundMinor] = [Number(match[1]), Number(match[2])];
  return found > major || (found === major && foundMinor >= minor);
}
