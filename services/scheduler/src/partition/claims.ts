import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { claimedSubject } from '../worker/session-subjects.js';

/** What was asked of an owner may have died with it: whoever waits for an answer hears when the partition has another. */
export class Claims {
  private readonly waiting = new Map<number, Set<() => void>>();
  private readonly subscription: Subscription;

  constructor(nc: NatsConnection) {
    this.subscription = nc.subscribe(claimedSubject, {
      callback: (error, message) => {
        if (error) return;
        const [partition] = message.string().split('.');
        for (const tell of this.waiting.get(Number(partition)) ?? []) tell();
      },
    });
  }

  stop(): void {
    this.subscription.unsubscribe();
  }

  /** The answer; nothing where the partition got a new owner before there was one. */
  async unless<T>(partition: number, answer: Promise<T>): Promise<T | undefined> {
    const there = this.waiting.get(partition) ?? new Set();
    this.waiting.set(partition, there);
    const { promise: claimed, resolve } = Promise.withResolvers<undefined>();
    const tell = () => resolve(undefined);
    there.add(tell);
    try {
      return await Promise.race([answer, claimed]);
    } finally {
      there.delete(tell);
    }
  }
}
