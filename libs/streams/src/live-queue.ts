import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';

const mostMessages = 512;
const mostBytes = 1024 * 1024;

/** What the broker tells of one subject, as far as it was not taken yet. Bounded: one that overflows forgets all, and its reader looks. */
export class LiveQueue implements Disposable {
  private readonly subscription: Subscription;
  private messages: Msg[] = [];
  private bytes = 0;
  private overflowed = false;
  private stopped = false;
  private wake: (() => void) | undefined;

  constructor(nc: NatsConnection, subject: string) {
    this.subscription = nc.subscribe(subject, { callback: (error, message) => this.put(error, message) });
  }

  /** The next; undefined where none came in time, some were lost, or it was stopped. */
  async take(waitMs: number): Promise<Msg | undefined> {
    if (this.messages.length === 0 && !this.overflowed && !this.stopped) await this.some(waitMs);
    if (this.overflowed) return undefined;
    const next = this.messages.shift();
    this.bytes -= next?.data.length ?? 0;
    return next;
  }

  clear(): void {
    this.messages = [];
    this.bytes = 0;
    this.overflowed = false;
  }

  /** Wakes whoever waits. */
  stop(): void {
    this.stopped = true;
    this.wake?.();
  }

  [Symbol.dispose](): void {
    this.stop();
    this.subscription.unsubscribe();
  }

  private put(error: Error | null, message: Msg): void {
    if (error || this.overflowed) return;
    this.messages.push(message);
    this.bytes += message.data.length;
    if (this.messages.length > mostMessages || this.bytes > mostBytes) {
      this.clear();
      this.overflowed = true;
    }
    this.wake?.();
  }

  private some(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), waitMs).unref();
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
  }
}
