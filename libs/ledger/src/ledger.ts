import { StorageType, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { createInbox, type NatsConnection } from '@nats-io/nats-core';
import { Blobs } from '@writ/blobs';
import { makeTimeoutMs, openBucket } from './broker/buckets.js';
import { connectBroker } from './broker/connect.js';
import { answerInbox } from './commands/answers.js';
import { Frames } from './commands/frames.js';
import { LedgerCommands, type CommandClient } from './commands/client.js';
import { newId } from './domain/ids.js';
import { partitionsOf, type ServiceName } from './domain/partitioning.js';
import { upcasting, type Upcast, type Upcaster } from './domain/upcasters.js';
import { ServiceHost } from './host/host.js';
import { stateBucket } from './host/keys.js';
import type { Host, HostSpec } from './host/spec.js';
import { Leases } from './lease/leases.js';
import { ChainBroken, chainStart } from './log/chain.js';
import type { Commit } from './log/commit.js';
import type { Follower, FollowSpec } from './log/follow.js';
import { LogFollower } from './log/follower.js';
import { CommitReader } from './log/reader.js';
import type { WorkObserver } from './observe.js';
import type { LedgerSource } from './source.js';
import { ensureStream, logEnd } from './log/streams.js';
import { Snapshots } from './owner/snapshots.js';
import { pause } from './pause.js';
import { inboxPrefix, snapshots } from './permissions.js';
import { Checkpoints } from './projections/checkpoints.js';
import { ProjectionWriter } from './projections/writer.js';
import { Requests } from './requests.js';
import { serverInfo, type ServerInfo } from './server.js';

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
  /** Whose credentials these are: answers come in where only that service may listen, and it makes only its own streams. */
  service?: string;
  /** Names this process among the replicas of its services; a random part is added. Default: only that. */
  replica?: string;
  /** What the one who started the broker says it does; it cannot be asked. Default `flush`. `fsync` needs 2.10 or newer. */
  durability?: 'fsync' | 'flush';
  log?: Logger;
  /** Copies of each stream in a cluster. Default 1. */
  streamReplicas?: number;
  /** Bring old events to today's versions, for everything that reads through this ledger. */
  upcasters?: readonly Upcaster[];
  /** Told of commands and reactions that belong to a trace. */
  observer?: WorkObserver | undefined;
}

const drainMs = 3_000;
/** In a cluster whoever should answer may be gone, and then another one answers soon. */
const clusterApiTimeoutMs = 2_000;
/** Any of those that keep a small entry may be asked for it. */
const clusterAnswerMs = 1_000;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** One connection to the ledger. */
export class Ledger implements AsyncDisposable {
  readonly nc: NatsConnection;
  readonly server: ServerInfo;
  /** Unique to this process. */
  readonly replica: string;
  /** Whose credentials it has, as `connect` was told. */
  readonly service: string | undefined;
  /** Copies of each stream, as `connect` was told. */
  readonly streamReplicas: number;
  /** Who watches the work of this process, as `connect` was told. */
  readonly observer: WorkObserver | undefined;
  private readonly source: LedgerSource;
  private readonly jsm: JetStreamManager;
  private readonly log: Logger;
  private readonly hosts = new Map<ServiceName, ServiceHost>();
  private readonly followers = new Set<Follower>();
  private readonly reconnected = new Set<() => void>();
  private readonly ensured = new Map<string, Promise<void>>();
  private draining: Promise<void> | undefined;
  private connected = true;

  private constructor(nc: NatsConnection, jsm: JetStreamManager, server: ServerInfo, options: LedgerOptions) {
    this.nc = nc;
    this.jsm = jsm;
    this.server = server;
    this.log = options.log ?? silent;
    this.service = options.service;
    this.observer = options.observer;
    this.streamReplicas = options.streamReplicas ?? 1;
    const unique = newId('rep');
    this.replica = options.replica ? `${options.replica}-${unique.slice(-8)}` : unique;
    const upcast: Upcast = upcasting(options.upcasters ?? []);
    const inbox = () => createInbox(inboxPrefix(options.service));
    const appends = inbox();
    const requests = new Requests(nc, { listen: appends, replyTo: () => appends });
    const answers = new Requests(nc, answerInbox(options.service ?? 'client'));
    this.source = {
      nc,
      jsm,
      requests,
      answers,
      frames: new Frames(answers),
      upcast,
      observer: options.observer,
      inbox,
      replicated: this.streamReplicas > 1,
      connected: () => this.connected,
      onReconnect: (listener) => this.onReconnect(listener),
    };
    void this.watchConnection();
  }

  /** @throws Error when the broker cannot be reached, is too old, or cannot do the durability that is claimed for it */
  static async connect(options: LedgerOptions): Promise<Ledger> {
    const { servers, credentials, replica, service } = options;
    const nc = await connectBroker({
      servers,
      credentials,
      name: replica ?? 'writ',
      inboxPrefix: inboxPrefix(service),
    });
    try {
      const server = serverInfo(nc, options.durability);
      await jetstreamManager(nc, { timeout: makeTimeoutMs }); // in a cluster it is there when its servers have elected
      const patience = (options.streamReplicas ?? 1) > 1 ? { timeout: clusterApiTimeoutMs } : {};
      return new Ledger(nc, await jetstreamManager(nc, { ...patience, checkAPI: false }), server, options);
    } catch (error) {
      await nc.close();
      throw error;
    }
  }

  /** Competes for the partitions of a service, and serves its commands where it owns them. One host a service. */
  async host(spec: HostSpec): Promise<Host> {
    const { service } = spec;
    if (this.hosts.get(service)?.stopping === false) throw new Error(`${service} has a host already`);
    if (spec.projections?.length && !spec.dataSource) throw new TypeError('projections need a dataSource');
    const partitions = spec.partitions ?? partitionCount(service);
    const { state: kv, snapshots } = await this.openBuckets(service);
    await Promise.all(Array.from({ length: partitions }, (_, partition) => this.ensure(service, partition)));
    const { source, log, replica } = this;
    const leases = await Leases.open(source, service, replica, this.streamReplicas);
    const checkpoints = spec.projections?.length && spec.dataSource ? new Checkpoints(spec.dataSource) : undefined;
    const writers = checkpoints ? (spec.projections ?? []).map((each) => new ProjectionWriter(each, checkpoints)) : [];
    const context = { spec, source, leases, kv, snapshots, checkpoints, writers, replica, log };
    const host = new ServiceHost(context, partitions);
    this.hosts.set(service, host);
    await host.start();
    return host;
  }

  /** A client of the service's owners; goes through memory where a host of this ledger owns the partition. */
  commands(service: ServiceName, options: { partitions?: number } = {}): CommandClient {
    const partitions = () => options.partitions ?? this.hosts.get(service)?.partitions ?? partitionCount(service);
    const local = (partition: number) => this.hosts.get(service)?.owner(partition);
    return new LedgerCommands({ nc: this.nc, frames: this.source.frames, service, partitions, local });
  }

  /**
   * In order from a position, then live; for followers that keep their own checkpoint or rebuild at boot.
   * @throws ChainBroken when the log ends before `from`: the broker lost what the caller has seen
   */
  async follow(spec: FollowSpec): Promise<Follower> {
    const { service, partition, from = 0 } = spec;
    if (this.service === undefined || this.service === service) await this.ensure(service, partition);
    const last = await logEnd(this.source, { service, partition }, from);
    if (last < from) throw new ChainBroken({ service, partition }, last + 1, 'missing');
    const follower = new LogFollower(this.source, spec, last);
    this.followers.add(follower);
    follower.closed
      .catch((err: unknown) => this.log.error({ service, partition, err }, 'a follower stopped'))
      .finally(() => this.followers.delete(follower));
    return follower;
  }

  /** The commits after `from` (exclusive, default 0) up to `to` (inclusive, default: the last one now). @throws ChainBroken */
  async *read(
    service: ServiceName,
    partition: number,
    range: { from?: number; to?: number } = {},
  ): AsyncIterable<Commit> {
    const from = range.from ?? 0;
    const to = Math.min(range.to ?? Infinity, await this.last(service, partition));
    if (from >= to) return;
    const reader = new CommitReader(
      this.source,
      { service, partition },
      { from, link: from === 0 ? chainStart : undefined },
    );
    try {
      for (let commits = await reader.next(); commits.length > 0; commits = await reader.next())
        for (const commit of commits) {
          if (commit.commit > to) return;
          yield commit;
          if (commit.commit === to) return;
        }
    } finally {
      reader.close();
    }
  }

  /**
   * The partition's last commit; 0 when it is empty.
   * @param seen a commit that was acknowledged; the new leader of a cluster gets a moment until it has it
   * @throws Error where nobody leads it for sure
   */
  async last(service: ServiceName, partition: number, seen = 0): Promise<number> {
    return logEnd(this.source, { service, partition }, seen);
  }

  /** Stops hosts and followers, answers what they have taken, and closes the connection. */
  async drain(): Promise<void> {
    this.draining ??= this.leave();
    await this.draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  private async leave(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.stop()));
    await Promise.all([...this.followers].map((follower) => follower.stop()));
    if (this.nc.isClosed()) return;
    // Without a broker a drain would wait for its return.
    const done = new AbortController();
    const drained = this.nc.drain().catch(() => undefined);
    await Promise.race([drained, pause(this.connected ? drainMs : 0, done.signal)]);
    done.abort();
    await this.nc.close();
  }

  private async ensure(service: ServiceName, partition: number): Promise<void> {
    const key = `${service}/${partition}`;
    let made = this.ensured.get(key);
    if (!made) {
      const making = jetstreamManager(this.nc, { timeout: makeTimeoutMs, checkAPI: false });
      made = making.then((jsm) => ensureStream(jsm, { service, partition }, this.streamReplicas));
      this.ensured.set(key, made);
      made.catch(() => this.ensured.delete(key));
    }
    await made;
  }

  private async openBuckets(service: ServiceName): Promise<{ state: KV; snapshots: Snapshots }> {
    const replicas = this.streamReplicas;
    const cluster = replicas > 1;
    const kept = { history: 1, storage: StorageType.File, replicas };
    const blobPatience = cluster && { patienceMs: clusterApiTimeoutMs };
    const [state, blobs] = await Promise.all([
      openBucket(this.nc, stateBucket, kept, cluster ? { useMs: clusterAnswerMs } : {}),
      Blobs.open(this.nc, { bucket: snapshots(service), replicas, ...blobPatience }),
    ]);
    return { state, snapshots: new Snapshots(state, blobs) };
  }

  /** A new subject for replies to whoever asks beside the ledger, on which only this service may listen. */
  inbox(): string {
    return this.source.inbox();
  }

  private onReconnect(listener: () => void): () => void {
    this.reconnected.add(listener);
    return () => this.reconnected.delete(listener);
  }

  private async watchConnection(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'error') this.log.error({ err: status.error }, 'the broker refuses');
      if (status.type === 'disconnect') {
        this.connected = false;
        this.log.warn({ server: status.server }, 'the broker is away');
      }
      if (status.type !== 'reconnect') continue;
      this.connected = true;
      this.log.info({ server: status.server }, 'the broker is back');
      this.source.requests.giveUp();
      this.source.answers.giveUp();
      for (const listener of this.reconnected) listener();
    }
    const error = await this.nc.closed();
    if (error) this.log.error({ err: error }, 'the connection to the ledger was closed');
  }
}

function partitionCount(service: ServiceName): number {
  return (partitionsOf as Record<string, number>)[service] ?? 1;
}
