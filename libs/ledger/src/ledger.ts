import type { NatsConnection } from '@nats-io/nats-core';
import type { CommandClient } from './commands/client.js';
import type { ServiceName } from './domain/partitioning.js';
import type { Upcaster } from './domain/upcasters.js';
import type { Host, HostSpec } from './host/spec.js';
import type { Commit } from './log/commit.js';
import type { Follower, FollowSpec } from './log/follow.js';
import type { ServerInfo } from './server.js';

/** The part of pino's logger that the ledger uses. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LedgerOptions {
  /** `nats://127.0.0.1:4222`, more separated by commas. */
  servers: string;
  credentials?: { user: string; pass: string };
  /** Names this process among the replicas of its services. Default: a new id. */
  replica?: string;
  /** What the one who started the broker says it does; it cannot be asked. Default `flush`. `fsync` needs 2.10 or newer. */
  durability?: 'fsync' | 'flush';
  log?: Logger;
  /** Copies of each stream in a cluster. Default 1. */
  streamReplicas?: number;
  /** Bring old events to today's versions, for everything that reads through this ledger. */
  upcasters?: readonly Upcaster[];
}

/** One connection to the ledger. */
export class Ledger implements AsyncDisposable {
  declare readonly nc: NatsConnection;
  declare readonly server: ServerInfo;
  declare readonly replica: string;

  static connect(_options: LedgerOptions): Promise<Ledger> {
    return Promise.reject(new Error('not there yet'));
  }

  /** Competes for the partitions of a service, and serves its commands where it owns them. One host a service. */
  host(_spec: HostSpec): Promise<Host> {
    return Promise.reject(new Error('not there yet'));
  }

  /** A client of the service's owners; goes through memory where a host of this ledger owns the partition. */
  commands(_service: ServiceName, _options?: { partitions?: number }): CommandClient {
    throw new Error('not there yet');
  }

  /** In order from a position, then live; for followers that keep their own checkpoint or rebuild at boot. */
  follow(_spec: FollowSpec): Promise<Follower> {
    return Promise.reject(new Error('not there yet'));
  }

  /** The commits after `from` (exclusive, default 0) up to `to` (inclusive, default: the last one now). */
  read(_service: ServiceName, _partition: number, _range?: { from?: number; to?: number }): AsyncIterable<Commit> {
    throw new Error('not there yet');
  }

  /** The partition's last commit; 0 when it is empty. */
  last(_service: ServiceName, _partition: number): Promise<number> {
    return Promise.reject(new Error('not there yet'));
  }

  /** Stops hosts and followers, answers what they have taken, and closes the connection. */
  drain(): Promise<void> {
    return Promise.reject(new Error('not there yet'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }
}
