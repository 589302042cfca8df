import { jetstream, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import type { LedgerSource } from '../source.js';
import { partitionLabel, preferredOwner, type ServiceName } from '../domain/partitioning.js';

const bucket = 'leases';
/** A lease, or a replica, that is not renewed for this long is gone. */
export const leaseTtlMs = 3_000;
/** How often it is renewed. */
export const renewMs = 1_000;

/** Opens the bucket of leases. It is in memory, so a broker that restarts forgets the leases and the bucket itself. */
async function openBucket(nc: NatsConnection, replicas: number): Promise<KV> {
  // Without its bucket a write is not refused at once: our own listening to it counts as somebody who may answer.
  return new Kvm(jetstream(nc, { timeout: 1_000 })).create(bucket, {
    ttl: leaseTtlMs,
    history: 1,
    storage: StorageType.Memory,
    replicas,
  });
}

/**
 * Who should own, and who owns, the partitions of one service. It is about liveness only: two owners at once are possible
 * (a paused process does not know that its lease ran out), and the log's fence is what makes that harmless.
 */
export class Leases {
  private kv: KV;
  private readonly copies: number;
  private readonly source: LedgerSource;
  private readonly service: ServiceName;
  private readonly me: string;
  private readonly seenMs = new Map<string, number>();
  private subscriptions: Subscription[] = [];
  private changed: () => void = () => undefined;
  private stopReconnect: () => void = () => undefined;
  private beating: Promise<void> | undefined;
  /** When this replica's own word was last taken. */
  private beatenMs = performance.now();

  private constructor(kv: KV, source: LedgerSource, who: { service: ServiceName; me: string; copies: number }) {
    this.kv = kv;
    this.source = source;
    this.service = who.service;
    this.me = who.me;
    this.copies = who.copies;
  }

  /** @param copies of the bucket in a cluster */
  static async open(source: LedgerSource, service: ServiceName, me: string, copies: number): Promise<Leases> {
    return new Leases(await openBucket(source.nc, copies), source, { service, me, copies });
  }

  /** @param changed called when a replica came or went, or a lease was given up */
  async start(changed: () => void): Promise<void> {
    this.changed = changed;
    // Writes to a bucket are plain messages; listening to them needs no consumer and survives a broker that lost the bucket.
    const listen = (pattern: string, heard: (key: string, gone: boolean) => void): Subscription =>
      this.source.nc.subscribe(`$KV.${bucket}.${pattern}`, {
        callback: (error, message) => {
          if (!error)
            heard(message.subject.split('.').at(-1) as string, message.headers?.get('KV-Operation') === 'DEL');
        },
      });
    this.subscriptions = [
      listen(`replica.${this.service}.*`, (replica, gone) => this.heard(replica, gone)),
      listen(`owner.${this.service}.*`, (_, gone) => gone && this.changed()),
    ];
    this.stopReconnect = this.source.onReconnect(() => void this.reopen().catch(() => undefined));
    await this.heartbeat();
    const { state } = await this.source.jsm.streams.info(`KV_${bucket}`, {
      subjects_filter: `$KV.${bucket}.replica.${this.service}.*`,
    });
    const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(`$KV.${bucket}.`.length));
    // One that has left still has a message here: the mark of its deletion, until that expires too.
    for (const entry of await Promise.all(keys.map((key) => this.kv.get(key))))
      if (entry?.operation === 'PUT') this.heard(entry.key.split('.').at(-1) as string, false);
  }

  private heard(replica: string, gone: boolean): void {
    const known = this.seenMs.has(replica);
    if (gone) this.seenMs.delete(replica);
    else this.seenMs.set(replica, performance.now());
    if (known === gone) this.changed();
  }

  /** Tells the others that this replica lives. */
  async heartbeat(): Promise<void> {
    this.seenMs.set(this.me, performance.now());
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

  /**
   * After a time without a bucket (a restart, an election) nobody else could be heard either: whoever was there is
   * believed to be, and has the length of a lease to say so. Otherwise each would take what is all the others'.
   */
  private beaten(): void {
    const now = performance.now();
    if (now - this.beatenMs > leaseTtlMs) for (const replica of this.seenMs.keys()) this.seenMs.set(replica, now);
    this.beatenMs = now;
  }

  /** A restarted broker has no bucket any more. */
  private async reopen(): Promise<void> {
    this.kv = await openBucket(this.source.nc, this.copies);
    await this.putReplica();
  }

  private async putReplica(): Promise<void> {
    await this.kv.put(`replica.${this.service}.${this.me}`, '');
    this.beaten();
  }

  /** Whether this replica is the one that should own the partition. */
  prefersMe(partition: number): boolean {
    const now = performance.now();
    this.seenMs.set(this.me, now);
    if (now - this.beatenMs <= leaseTtlMs)
      for (const [replica, seen] of this.seenMs) if (now - seen > leaseTtlMs) this.seenMs.delete(replica);
    return preferredOwner(this.service, partition, this.seenMs.keys()) === this.me;
  }

  /** @returns the revision of the new lease; undefined when another holds it or the broker is away */
  async acquire(partition: number): Promise<number | undefined> {
    if (!this.source.connected()) return undefined;
    return this.kv.create(this.key(partition), this.me).catch(() => undefined);
  }

  /** @returns the new revision; undefined when the lease is lost. @throws when the broker is away: nothing is known */
  async renew(partition: number, revision: number): Promise<number | undefined> {
    if (!this.source.connected()) throw new Error('the broker is away');
    try {
      return await this.kv.update(this.key(partition), this.me, revision);
    } catch (error) {
      // It ran out, or the broker restarted and forgot it: if nobody took it, it is still ours to take.
      const again = await this.acquire(partition);
      if (again !== undefined) return again;
      const holder = await this.kv.get(this.key(partition));
      if (holder?.operation === 'PUT' && holder.string() !== this.me) return undefined;
      throw error;
    }
  }

  /** Lets the others have it at once. */
  async release(partition: number, revision: number): Promise<void> {
    // A broker that is away lets it run out by itself.
    if (!this.source.connected()) return;
    await this.kv.delete(this.key(partition), { previousSeq: revision }).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.stopReconnect();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    if (this.source.connected()) await this.kv.delete(`replica.${this.service}.${this.me}`).catch(() => undefined);
  }

  private key(partition: number): string {
    return `owner.${this.service}.${partitionLabel(partition)}`;
  }
}
