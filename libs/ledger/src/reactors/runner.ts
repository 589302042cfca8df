import type { JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { DomainError, ledgerErrors, type ErrorCatalogue } from '../domain/refusals.js';
import type { LedgerEvent } from '../domain/events.js';
import type { Position } from '../domain/positions.js';
import { stateKey, stateStream, stateSubject } from '../host/keys.js';
import type { ConsumerHealth } from '../host/spec.js';
import type { Tail } from '../host/tail.js';
import type { Logger } from '../ledger.js';
import type { WorkObserver } from '../observe.js';
import type { Commit, PartitionAddress } from '../log/commit.js';
import { pause } from '../pause.js';
import { Lines } from './lines.js';
import type { Reactor } from './reactor.js';

const backoffMs = [50, 100, 250, 500, 1000, 2000, 5000];
/** Its checkpoint is written so long after what it handled; what is handled again after a crash is harmless. */
const checkpointMs = 1_000;
const stopMs = 2_000;

export interface ReactorContext {
  /** Of checkpoints and of what was set aside, and what its stream is asked with. */
  kv: KV;
  jsm: JetStreamManager;
  tail: Tail;
  log: Logger;
  errors: ErrorCatalogue;
  observer: WorkObserver | undefined;
}

/** Runs one reactor on one partition while that is owned here. */
export class ReactorRunner {
  readonly name: string;
  private readonly reactor: Reactor;
  private readonly types: ReadonlySet<string> | undefined;
  private readonly address: PartitionAddress;
  private readonly kv: KV;
  private readonly jsm: JetStreamManager;
  private readonly tail: Tail;
  private readonly log: Logger;
  private readonly errors: ErrorCatalogue;
  private readonly observer: WorkObserver | undefined;
  private readonly abort = new AbortController();
  private commit = 0;
  private written = 0;
  private writing: NodeJS.Timeout | undefined;
  private parkedEvents = 0;
  private failing: string | undefined;
  private readonly running: Promise<void>;

  constructor(reactor: Reactor, address: PartitionAddress, context: ReactorContext) {
    this.name = reactor.name;
    this.reactor = reactor;
    this.types = reactor.events && new Set(reactor.events);
    this.address = address;
    this.kv = context.kv;
    this.jsm = context.jsm;
    this.tail = context.tail;
    this.log = context.log;
    this.errors = context.errors;
    this.observer = context.observer;
    this.running = this.run();
  }

  health(): ConsumerHealth {
    const { name, commit, failing, parkedEvents } = this;
    const lag = Math.max(0, this.tail.head - commit);
    const health = { name, partition: this.address.partition, commit, lag };
    if (failing !== undefined) return { ...health, parked: `retrying: ${failing}` };
    return parkedEvents === 0 ? health : { ...health, parked: `${parkedEvents} events set aside` };
  }

  /** Waits a little for what is being handled; what is not finished then is left for the next owner. */
  async stop(): Promise<void> {
    this.abort.abort();
    const done = new AbortController();
    await Promise.race([this.running, pause(stopMs, done.signal)]);
    done.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.follow();
      } catch (error) {
        this.log.warn({ ...this.address, reactor: this.name, err: error }, 'a reactor starts again');
        await pause(backoffMs[Math.min(failures, backoffMs.length - 1)] as number, signal);
      }
    }
  }

  private async follow(): Promise<void> {
    const { signal } = this.abort;
    await this.load();
    const cursor = this.tail.cursor(this.commit);
    try {
      for (;;) {
        const commits = await cursor.next(signal);
        if (commits.length === 0) break;
        if (!(await this.take(commits))) break;
        this.checkpointSoon();
      }
    } finally {
      cursor.close();
      clearTimeout(this.writing);
      this.writing = undefined;
      await this.checkpoint().catch(() => undefined);
    }
  }

  private async load(): Promise<void> {
    const entry = await this.kv.get(stateKey('reactor', this.address, this.name));
    const commit = entry?.operation === 'PUT' ? Number(entry.string()) : 0;
    if (commit > this.tail.head)
      this.log.error(
        { ...this.address, reactor: this.name, commit },
        'a reactor was ahead of the log: it lost commits',
      );
    this.commit = this.written = Math.min(commit, this.tail.head);
    // Not the bucket's list of keys: that makes a consumer for each call, and those of a process that was killed are kept
    // by the broker, on the disk, so that it starts and stops more slowly with each of them.
    const { state } = await this.jsm.streams.info(stateStream, {
      subjects_filter: stateSubject(stateKey('parked', this.address, this.name, '>')),
    });
    this.parkedEvents = Object.keys(state.subjects ?? {}).length;
  }

  /** Never at each commit: that would be a second write to the broker's disk for each of them. */
  private checkpointSoon(): void {
    this.writing ??= setTimeout(() => {
      this.writing = undefined;
      this.checkpoint().catch((error: unknown) => {
        this.log.warn({ ...this.address, reactor: this.name, err: error }, 'a checkpoint is written later');
        if (!this.abort.signal.aborted) this.checkpointSoon();
      });
    }, checkpointMs);
  }

  private async checkpoint(): Promise<void> {
    if (this.written === this.commit) return;
    const { commit } = this;
    await this.kv.put(stateKey('reactor', this.address, this.name), String(commit));
    this.written = commit;
  }

  /** @returns whether all of it was handled */
  private async take(commits: readonly Commit[]): Promise<boolean> {
    if ((this.reactor.parallel ?? 1) > 1) return this.takeParallel(commits);
    for (const commit of commits) {
      for (const [index, event] of commit.events.entries())
        if (!(await this.handle(event, { ...this.address, commit: commit.commit, index }))) return false;
      this.commit = commit.commit;
    }
    return true;
  }

  /** One line a subject, some lines at once. */
  private async takeParallel(commits: readonly Commit[]): Promise<boolean> {
    const { parallel = 1, together = [] } = this.reactor;
    const lines = new Lines<readonly [LedgerEvent, Position]>();
    for (const commit of commits)
      for (const [index, event] of commit.events.entries()) {
        if (this.types && !this.types.has(event.type)) continue;
        const position = { ...this.address, commit: commit.commit, index };
        lines.add(`${event.tenant}/${event.subject}`, [event, position], together.includes(event.type));
      }
    const done = await lines.work(parallel, ([event, position]) => this.handle(event, position));
    if (done) this.commit = (commits.at(-1) as Commit).commit;
    return done;
  }

  /** @returns false when it was stopped before the event was handled */
  private async handle(event: LedgerEvent, position: Position): Promise<boolean> {
    if (this.types && !this.types.has(event.type)) return true;
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.react(event, position);
        this.failing = undefined;
        return true;
      } catch (error) {
        if (error instanceof DomainError && !this.mayHeal(error.code)) {
          await this.park(event, position, error);
          return true;
        }
        this.failing = String(error);
        this.log.warn(
          { ...position, reactor: this.name, event: event.id, err: error },
          'a reaction failed; it is repeated',
        );
        await pause(backoffMs[Math.min(failures, backoffMs.length - 1)] as number, signal);
      }
    }
    return false;
  }

  /** What it sends goes on from its own part of the event's trace. */
  private async react(event: LedgerEvent, position: Position): Promise<void> {
    const { signal } = this.abort;
    const { trace, type } = event;
    const work =
      trace === undefined ? undefined : this.observer?.begin({ kind: 'reaction', name: `${this.name} ${type}`, trace });
    try {
      await this.reactor.handle(work ? { ...event, trace: work.trace } : event, position, signal);
      work?.end('ok');
    } catch (error) {
      work?.end(error instanceof DomainError ? error.code : 'failed');
      throw error;
    }
  }

  private mayHeal(code: string): boolean {
    return (ledgerErrors as ErrorCatalogue)[code]?.retry === true || this.errors[code]?.retry === true;
  }

  private async park(event: LedgerEvent, position: Position, refusal: DomainError): Promise<void> {
    this.failing = undefined;
    this.parkedEvents++;
    this.log.error(
      { ...position, reactor: this.name, event: event.id, code: refusal.code, detail: refusal.message },
      'a reaction was refused; its event is set aside',
    );
    const key = stateKey('parked', this.address, this.name, String(position.commit), String(position.index));
    const value = { event: event.id, type: event.type, code: refusal.code, detail: refusal.message };
    await this.kv.put(key, JSON.stringify(value));
  }
}
