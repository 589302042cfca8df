import { StorageType } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { openBucket, type Patience } from '../broker/buckets.js';
import type { LedgerSource } from '../source.js';
import { preferredOwner, type ServiceName } from '../domain/partitioning.js';
import { leaseTtlMs, Others } from './others.js';

const bucket = 'leases';
/** How often each tells that it lives, and which partitions it holds. */
export const renewMs = 1_000;
/** One that stands in the bucket when we come, and has not been heard yet, was perhaps killed: it has missed one word then. */
const unheardMs = 2 * renewMs;

/** An answer that a restart of the broker has swallowed is not waited for longer. */
const patience = { makeMs: 1_000, useMs: 1_000 };

/** Opens the bucket of leases. It is in memory, so a broker that restarts forgets the leases and the bucket itself. */
async function openLeases(nc: NatsConnection, replicas: number, waiting: Patience): Promise<KV> {
  const options = { ttl: leaseTtlMs, history: 1, storage: StorageType.Memory, replicas };
  // Without its bucket a write is not refused at once: our own listening to it counts as somebody who may answer.
  return openBucket(nc, bucket, options, waiting);
}

/**
 * Who should own, and who owns, the partitions of one service. Each replica says once a second, in one message, that it lives
 * and what it holds. It is about liveness only: two owners at once are possible (a paused process does not know that the
 * others take it for dead), and the log's fence is what makes that harmless.
 */
export class Leases {
  private kv: KV;
  private readonly copies: number;
  private readonly source: LedgerSource;
  private readonly service: ServiceName;
  private readonly me: string;
  private readonly mine = new Set<number>();
  private readonly others = new Others(performance.now());
  private subscription: Subscription | undefined;
  private changed: () => void = () => undefined;
  private stopReconnect: () => void = () => undefined;
  private beating: Promise<void> | undefined;

  private constructor(kv: KV, source: LedgerSource, who: { service: ServiceName; me: string; copies: number }) {
    this.kv = kv;
    this.source = source;
    this.service = who.service;
    this.me = who.me;
    this.copies = who.copies;
  }

  /** @param copies of the bucket in a cluster */
  static async open(source: LedgerSource, service: ServiceName, me: string, copies: number): Promise<Leases> {
    return new Leases(await openLeases(source.nc, copies, { useMs: patience.useMs }), source, { service, me, copies });
  }

  /** @param changed called when a replica came or went, or holds other partitions than before */
  async start(changed: () => void): Promise<void> {
    this.changed = changed;
    // Writes to a bucket are plain messages; listening to them needs no consumer and survives a broker that lost the bucket.
    this.subscription = this.source.nc.subscribe(`$KV.${bucket}.replica.${this.service}.*`, {
      callback: (error, message) => {
        if (error) return;
        const gone = message.headers?.get('KV-Operation') === 'DEL';
        this.heard(message.subject.split('.').at(-1) as string, gone ? undefined : message.string());
      },
    });
    this.stopReconnect = this.source.onReconnect(() => {
      this.others.believe(performance.now());
      void this.reopen().catch(() => undefined);
    });
    await this.heartbeat();
    const { state } = await this.source.jsm.streams.info(`KV_${bucket}`, {
      subjects_filter: `$KV.${bucket}.replica.${this.service}.*`,
    });
    const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(`$KV.${bucket}.`.length));
    // One that has left still has a message here: the mark of its deletion, until that expires too.
    for (const entry of await Promise.all(keys.map((key) => this.kv.get(key)))) {
      const replica = entry?.key.split('.').at(-1) as string;
      if (entry?.operation === 'PUT' && !this.others.knows(replica))
        this.heard(replica, entry.string(), performance.now() - leaseTtlMs + unheardMs);
    }
  }

  /** @param told undefined: it has left */
  private heard(replica: string, told: string | undefined, heardMs = performance.now()): void {
    if (replica === this.me) return;
    const { news, holds } = this.others.heard(replica, told, heardMs);
    if (this.others.weak(performance.now())) for (const partition of holds) this.mine.delete(partition);
    if (news) this.changed();
  }

  /** Tells the others that this replica lives, and what it holds. */
  async heartbeat(): Promise<void> {
    if (!this.source.connected()) return;
    // A broker that answers late is not asked more and more often.
    this.beating ??= this.beat().finally(() => (this.beating = undefined));
    await this.beating;
  }

  private async beat(): Promise<void> {
    try {
      await this.putReplica();
    } catch {
      await this.reopen();
    }
  }

  /** A restarted broker has no bucket any more. */
  private async reopen(): Promise<void> {
    this.kv = await openLeases(this.source.nc, this.copies, patience);
    await this.putReplica();
  }

  private async putReplica(): Promise<void> {
    await this.kv.put(this.key, [...this.mine].join());
    if (this.others.beaten(performance.now())) this.changed();
  }

  /** What changed is told at once, and not waited for: a second later it is told again. */
  private tell(): void {
    const { nc, connected } = this.source;
    if (connected() && !nc.isClosed()) nc.publish(`$KV.${bucket}.${this.key}`, [...this.mine].join());
  }

  /** Whether this replica is the one that should own the partition. */
  prefersMe(partition: number): boolean {
    return preferredOwner(this.service, partition, [this.me, ...this.others.names()]) === this.me;
  }

  /** @returns false when another holds it, or nothing is known because the broker is away */
  acquire(partition: number): boolean {
    if (!this.source.connected() || !this.others.fresh(performance.now())) return false;
    if (this.others.hold(partition)) return false;
    this.mine.add(partition);
    this.tell();
    return true;
  }

  /** Whether it was acquired, and neither released nor lost since. */
  holds(partition: number): boolean {
    return this.mine.has(partition);
  }

  /** Lets the others have it at once. */
  release(partition: number): void {
    this.mine.delete(partition);
    this.tell();
  }

  async stop(): Promise<void> {
    this.stopReconnect();
    this.subscription?.unsubscribe();
    if (this.source.connected()) await this.kv.delete(this.key).catch(() => undefined);
  }

  private get key(): string {
    return `replica.${this.service}.${this.me}`;
  }
}
