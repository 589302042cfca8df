import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Frames } from './commands/frames.js';
import type { Upcast } from './domain/upcasters.js';
import type { Requests } from './requests.js';

/** One connection to the ledger, as its parts see it. */
export interface LedgerSource {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly requests: Requests;
  readonly frames: Frames;
  readonly upcast: Upcast;
  /** Whether the broker is there, as far as this side knows. */
  connected(): boolean;
  /** Calls back after the connection came back; returns how to stop that. */
  onReconnect(listener: () => void): () => void;
}
