import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { entrySubject, openServices, type Announcement } from './announce.js';
import { Roll } from './roll.js';

/**
 * Follows who announces itself. It listens to the writes themselves and needs no consumer: a restart of the broker loses
 * the bucket and every consumer on it, while a subscription is made again with the connection.
 */
export class Replicas {
  private readonly roll = new Roll();
  private readonly subscription: Subscription;

  private constructor(nc: NatsConnection) {
    this.subscription = nc.subscribe(entrySubject('>'), {
      callback: (error, message) => {
        if (error) return;
        const key = message.subject.slice(entrySubject('').length);
        if (message.headers?.get('KV-Operation')) this.roll.gone(key);
        else this.heard(key, message);
      },
    });
  }

  /** Knows everybody who is announced now when it returns. */
  static async follow(nc: NatsConnection, copies = 1): Promise<Replicas> {
    const replicas = new Replicas(nc);
    try {
      const bucket = await openServices(nc, copies);
      for await (const key of await bucket.keys()) {
        const entry = await bucket.get(key);
        if (entry?.operation === 'PUT') replicas.heard(key, entry);
      }
      return replicas;
    } catch (error) {
      replicas.stop();
      throw error;
    }
  }

  /** The replicas that are up, of one service or of all. */
  up(service?: string): Announcement[] {
    return this.roll.up(service);
  }

  stop(): void {
    this.subscription.unsubscribe();
  }

  private heard(key: string, message: { json<T>(): T }): void {
    let entry: Announcement;
    try {
      entry = message.json<Announcement>();
    } catch {
      return; // not one of ours
    }
    this.roll.heard(key, entry, performance.now());
  }
}
