import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Frames } from './commands/frames.js';
import type { Upcast } from './domain/upcasters.js';
import type { WorkObserver } from './observe.js';
import type { Requests } from './requests.js';

/** One connection to the ledger, as its parts see it. */
export interface LedgerSource {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  /** Asks the broker. */
  readonly requests: Requests;
  /** Asks owners. */
  readonly answers: Requests;
  readonly frames: Frames;
  readonly upcast: Upcast;
  /** Absent where nobody watches. */
  readonly observer: WorkObserver | undefined;
  /** A new subject for replies, on which only this service may listen. */
  inbox(): string;
  /** Streams have copies on other servers, so what one server says of them may be out of date. */
  readonly replicated: boolean;
  /** Whether the broker is there, as far as this side knows. */
  connected(): boolean;
  /** Calls back after the connection came back; returns how to stop that. */
  onReconnect(listener: () => void): () => void;
}
