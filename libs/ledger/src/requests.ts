import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';

const sweepMs = 20;
/** How long after its time-out an answer is still heard by who wants it. */
const lateMs = 10_000;

/** `none`: nobody listens on that subject. `timeout`: no answer in time. */
export type Answered = Msg | 'none' | 'timeout';

/** Where replies come in, each on a subject with one token more. */
export interface Inbox {
  /** What is subscribed, but for that token. */
  readonly listen: string;
  /** Where a request on this subject is answered, but for that token. */
  replyTo(subject: string): string;
}

interface Pending {
  deadline: number;
  receive: (answer: Answered) => boolean;
  late: boolean;
}

/**
 * Request and reply for the hot path. The client's own `request` makes a timer, four promises and an Error object (with
 * its stack) for every request, also for those that succeed: together a tenth of the cost of a command.
 */
export class Requests {
  private readonly nc: NatsConnection;
  private readonly inbox: Inbox;
  private readonly pending = new Map<string, Pending>();
  private sweeper: NodeJS.Timeout | undefined;
  private count = 0;
  private listening = false;

  constructor(nc: NatsConnection, inbox: Inbox) {
    this.nc = nc;
    this.inbox = inbox;
  }

  /** @throws Error when the connection is closed, or the payload is larger than the broker takes */
  ask(subject: string, payload: Uint8Array, timeoutMs: number, headers?: MsgHdrs): Promise<Answered> {
    return new Promise((resolve) => {
      this.open(subject, payload, timeoutMs, (answer) => (resolve(answer), true), headers);
    });
  }

  /**
   * A request with any number of replies.
   * @param receive gets each of them, and says whether it was the last. After `none` nothing follows. After `timeout`, until
   * it says so or is told the same a second time, what comes late still does
   */
  open(
    subject: string,
    payload: Uint8Array,
    timeoutMs: number,
    receive: (answer: Answered) => boolean,
    headers?: MsgHdrs,
  ): void {
    if (!this.listening) this.listen();
    const token = (++this.count).toString(36);
    const reply = `${this.inbox.replyTo(subject)}.${token}`;
    this.nc.publish(subject, payload, headers ? { reply, headers } : { reply });
    this.sweeper ??= setInterval(() => this.sweep(), sweepMs);
    this.pending.set(token, { deadline: performance.now() + timeoutMs, receive, late: false });
  }

  private listen(): void {
    this.listening = true;
    this.nc.subscribe(`${this.inbox.listen}.*`, {
      callback: (error, message) => {
        if (error) return;
        const token = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        const pending = this.pending.get(token);
        if (!pending) return;
        const none = message.data.length === 0 && message.headers?.code === 503;
        if (pending.receive(none ? 'none' : message) || none) this.pending.delete(token);
      },
    });
  }

  /** After a reconnection: an answer that was on its way is lost, so whoever waits for one may ask again at once. */
  giveUp(): void {
    this.sweep(Infinity);
  }

  private sweep(now = performance.now()): void {
    for (const [token, pending] of this.pending) {
      const { deadline, receive } = pending;
      if (deadline <= now || this.nc.isClosed()) {
        if (receive('timeout') || pending.late) this.pending.delete(token);
        pending.late = true;
        pending.deadline = performance.now() + lateMs;
      }
    }
    if (this.pending.size > 0) return;
    clearInterval(this.sweeper);
    this.sweeper = undefined;
  }
}
