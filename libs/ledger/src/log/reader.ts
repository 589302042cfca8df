import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import type { Msg, Subscription } from '@nats-io/nats-core';
import { streamName } from '../domain/partitioning.js';
import { epochHeader, prevHeader } from './append.js';
import { ChainBroken } from './chain.js';
import { isApiError, logEnd, streamNotFound } from './streams.js';
import { LogCommit, type Commit, type PartitionAddress } from './commit.js';
import { untilNext } from '../pause.js';
import type { LedgerSource } from '../source.js';

const pullMessages = 500;
const pullExpiresMs = 30_000;
/** Half of the time of a pull, the most that the broker takes: there are a hundred readers in an installation, and most wait. */
const heartbeatMs = 15_000;
/** In a cluster the consumer may be on another server than ours, and that one may be gone. */
const clusterHeartbeatMs = 1_000;
const recreateBackoffMs = [0, 50, 100, 250, 500, 1000, 2000];
/** A stream that its service has not made yet is asked for as often as this attempt. */
const unbornAttempts = 2;

export interface ReadFrom {
  /** The last commit that is known, and its link if it is to be verified too. */
  from: number;
  link?: string | undefined;
  /** As in `FollowSpec`. */
  gatherMs?: number | undefined;
}

/**
 * Reads a partition in order, from any commit, and then live. It pulls: what arrives is bounded by 500 commits and one
 * largest message (bytes), and the next pull waits until the last one was taken, so a slow reader slows only itself.
 * The consumer behind it is ephemeral and expendable: sequences have no gaps, so whenever something other than the
 * expected commit arrives, or nothing at all, a new consumer starts at the expected one.
 */
export class CommitReader {
  private readonly source: LedgerSource;
  private readonly address: PartitionAddress;
  private readonly stream: string;
  private readonly stopReconnect: () => void;
  private arrived: Commit[] = [];
  private wake: (() => void) | undefined;
  private failure: Error | undefined;
  private closed = false;

  /** The last commit that arrived, and its link where it is known. */
  private last: number;
  private link: string | undefined;

  private subscription: Subscription | undefined;
  private consumer: string | undefined;
  private inbox = '';
  private pulling = false;
  private outstanding = 0;
  private fresh = false;
  private attempts = 0;
  private restarting = false;
  private readonly watchdog: NodeJS.Timeout;
  private readonly heartbeatMs: number;
  private quiet = true;
  private readonly gatherMs: number;
  private gathering: NodeJS.Timeout | undefined;

  constructor(source: LedgerSource, address: PartitionAddress, { from, link, gatherMs = 0 }: ReadFrom) {
    this.source = source;
    this.address = address;
    this.stream = streamName(address.service, address.partition);
    this.last = from;
    this.link = link;
    this.gatherMs = gatherMs;
    this.stopReconnect = source.onReconnect(() => this.restart());
    this.heartbeatMs = source.replicated ? clusterHeartbeatMs : heartbeatMs;
    this.watchdog = setInterval(() => this.watch(), this.heartbeatMs * 2 + 500);
    this.watchdog.unref();
    this.restart();
  }

  /** What has arrived, at least one commit; waits for it. Empty after `close`. @throws ChainBroken */
  async next(): Promise<readonly Commit[]> {
    while (this.arrived.length === 0) {
      if (this.failure) throw this.failure;
      if (this.closed) return [];
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const commits = this.arrived;
    this.arrived = [];
    this.pull();
    return commits;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.stopReconnect();
    clearInterval(this.watchdog);
    this.dropConsumer();
    this.notify();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.closed = true;
    this.stopReconnect();
    clearInterval(this.watchdog);
    this.dropConsumer();
    this.notify();
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }

  /** A pull answers at least with heartbeats; silence means that it, or the consumer, is gone. */
  private watch(): void {
    if (this.pulling && this.quiet) this.restart();
    this.quiet = true;
  }

  private restart(): void {
    if (this.restarting || this.closed) return;
    this.restarting = true;
    void this.recreate().finally(() => (this.restarting = false));
  }

  private async recreate(): Promise<void> {
    this.dropConsumer();
    while (!this.closed && !this.source.nc.isClosed()) {
      // Counted until a commit arrives, so that a consumer that is lost again and again is not made in a hot loop.
      const backoff = recreateBackoffMs[Math.min(this.attempts++, recreateBackoffMs.length - 1)];
      if (backoff) await new Promise((resolve) => setTimeout(resolve, backoff));
      try {
        if (this.attempts > 1 && (await logEnd(this.source, this.address, this.last)) < this.last)
          return this.fail(new ChainBroken(this.address, this.last, 'missing'));
        await this.createConsumer();
        this.pull();
        return;
      } catch (error) {
        // The broker is away, or the stream is not there yet, and then it will be soon: the next round tries again.
        if (isApiError(error, streamNotFound)) this.attempts = Math.min(this.attempts, unbornAttempts);
      }
    }
  }

  private async createConsumer(): Promise<void> {
    const inbox = this.source.inbox();
    this.inbox = inbox;
    this.subscription = this.source.nc.subscribe(inbox, {
      // A message that still comes for the consumer before this one must not be counted.
      callback: (error, message) => (error || this.inbox !== inbox ? undefined : this.take(message)),
    });
    const info = await this.source.jsm.consumers.add(this.stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.last + 1,
      ack_policy: AckPolicy.None,
      inactive_threshold: 60e9,
      mem_storage: true,
      num_replicas: 1,
    });
    this.consumer = info.name;
    this.fresh = true;
    if (this.closed) this.dropConsumer();
  }

  private dropConsumer(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    const name = this.consumer;
    this.consumer = undefined;
    this.pulling = false;
    this.subscription?.unsubscribe();
    this.subscription = undefined;
    if (name && !this.source.nc.isClosed())
      void this.source.jsm.consumers.delete(this.stream, name).catch(() => undefined);
  }

  /** Only one pull is under way: between two of them lies one round trip for up to 500 commits. */
  private pull(): void {
    if (this.pulling || this.gathering || this.consumer === undefined || this.closed || this.arrived.length > 0) return;
    if (this.source.nc.isClosed()) return;
    this.pulling = true;
    this.outstanding = pullMessages;
    const request = {
      batch: pullMessages,
      // Waits for the first all the same, and ends behind the last that is there.
      ...(this.gatherMs > 0 && { no_wait: true }),
      max_bytes: (this.source.nc.info?.max_payload ?? 1 << 20) + (64 << 10),
      expires: pullExpiresMs * 1e6,
      idle_heartbeat: this.heartbeatMs * 1e6,
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.consumer}`;
    this.source.nc.publish(subject, JSON.stringify(request), { reply: this.inbox });
  }

  private take(message: Msg): void {
    this.quiet = false;
    if (message.subject === this.inbox) return this.status(message.headers?.code ?? 0);
    const delivery = (message.reply ?? '').split('.');
    // `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…`; from 2.15 on with domain and account in front.
    const shift = delivery.length === 9 ? 0 : 2;
    const sequence = Number(delivery[5 + shift]);
    if (sequence !== this.last + 1) {
      // A copy that lags behind begins with what it has: the expected one comes once it has caught up.
      if (this.source.replicated && sequence <= this.last) return this.counted();
      // A new consumer begins with the expected commit if it is there at all.
      if (this.fresh) return this.fail(new ChainBroken(this.address, this.last + 1, 'missing'));
      return this.restart();
    }
    this.fresh = false;
    this.accept(message, sequence, Number(delivery[7 + shift]) / 1e6);
    this.counted();
  }

  private counted(): void {
    if (--this.outstanding > 0) return;
    this.pulling = false;
    this.pull();
  }

  private accept(message: Msg, sequence: number, timeMs: number): void {
    const bytes = message.data;
    const prev = message.headers?.get(prevHeader) ?? '';
    if (this.link !== undefined && prev !== this.link)
      return this.fail(new ChainBroken(this.address, sequence, 'changed'));
    const epoch = Number(message.headers?.get(epochHeader) ?? 0);
    const commit = new LogCommit(this.address, { commit: sequence, epoch, prev, bytes, timeMs }, this.source.upcast);
    this.link = commit.hash;
    this.last = sequence;
    this.attempts = 0;
    this.arrived.push(commit);
    this.notify();
  }

  /**
   * 100: it is alive. 503, or 409 for a deleted consumer: a new one. All others end this pull, and only it; 404, and 408 from older
   * brokers, where it was to take what is there and has.
   */
  private status(code: number): void {
    if (code === 100) return;
    this.pulling = false;
    if (code === 503 || (code === 404 && this.gatherMs === 0)) return this.restart();
    if (code === 409 && this.outstanding === pullMessages) return this.restart();
    if (this.gatherMs > 0 && (code === 404 || code === 408)) return this.gather();
    this.pull();
  }

  private gather(): void {
    this.gathering = setTimeout(() => {
      this.gathering = undefined;
      this.pull();
    }, untilNext(this.gatherMs));
    this.gathering.unref();
  }
}
