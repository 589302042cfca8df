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
  /** 2.10: `sync_interval` exists. */
  readonly syncInterval: boolean;
  /** 2.11: a direct get may fetch many messages. */
  readonly batchGet: boolean;
  /** 2.12: unknown fields are refused instead of ignored. */
  readonly strictApi: boolean;
  /** 2.15: a stream that does not say otherwise takes 1,000 consumers. */
  readonly consumerCap: boolean;
}
