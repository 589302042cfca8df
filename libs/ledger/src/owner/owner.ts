import { steadyNow } from '../clock.js';
import type { Command, EventDraft } from '../domain/events.js';
import { partitionLabel } from '../domain/partitioning.js';
import { DomainError, refuse } from '../domain/refusals.js';
import { append, type Appended, type Slow } from '../log/append.js';
import { hashOf } from '../log/chain.js';
import { LogCommit, type Commit, type PartitionAddress } from '../log/commit.js';

import { logEnd } from '../log/streams.js';
import type { LedgerSource } from '../source.js';
import type { Done } from './answer.js';
import { Batch } from './batch.js';
import type { Seen } from './dedup.js';
import { diskFull } from './disk-full.js';
import { encodeEvent, type EncodedEvent } from './encode.js';
import { OldAnswers } from './old-answers.js';
import type { PartitionState } from './state.js';

/** A commit grows to this and no further, so that a burst does not become one huge message; a single command may be larger. */
const commitBytes = 256 * 1024;
/** Room in the broker's largest message for the headers of a commit and the frame of a reply. */
const overheadBytes = 4 * 1024;
/** Commands that wait beyond this are refused: a broker that is away must not fill the memory. */
const mostWaitingBytes = 64 * 1024 * 1024;
const confirmRetryMs = 100;

/** `full`: the broker has no room; all others of `failed` are faults. */
export type LostBy = 'deposed' | 'failed' | 'full';

export interface OwnerEvents {
  /** An acknowledged commit, before its commands are answered. */
  committed(commit: Commit): void;
  /** A decider threw something else than a refusal. */
  bug(fields: object, message: string): void;
  /** A commit is stored, and took long. */
  slow(commit: number, slow: Slow): void;
  /** The owner has stopped for good; its state is worth nothing any more. */
  lost(why: LostBy, detail: string): void;
}

/**
 * Decides the commands of one partition, one after another, and commits what they decide. While a publish is under way the
 * next commit gathers; it leaves as soon as the answer is there. So an idle partition commits at once, and a busy one
 * spreads the price of a publish over all that came meanwhile: no timer, no linger.
 */
export class Owner {
  readonly state: PartitionState;
  readonly epoch: number;
  private readonly source: LedgerSource;
  private readonly address: PartitionAddress;
  /** `scheduler/07`: source of its events. */
  private readonly label: string;
  private readonly report: OwnerEvents;
  private readonly largest: number;
  private readonly abort = new AbortController();
  private readonly old: OldAnswers;

  /** Filled batches, oldest first; the last one gathers. */
  private waiting: Batch[] = [];
  private waitingBytes = 0;
  private flying: Batch | undefined;
  private flushing = false;
  /** The commit that the next event belongs to is counted from here. */
  private assigned: number;
  private acknowledged: number;
  private phase: 'serving' | 'draining' | 'lost' = 'serving';
  private idle: (() => void)[] = [];
  /** Called with each batch that leaves nothing behind it: the only moment when state and log agree on a boundary. */
  onBoundary: ((commit: number, hash: string) => ((stored: boolean) => void) | undefined) | undefined;

  private nowMs = 0;
  private nowIso = '';

  /** @param state as `takeOver` left it: claimed under its epoch */
  constructor(address: PartitionAddress, state: PartitionState, source: LedgerSource, report: OwnerEvents) {
    this.address = address;
    this.label = `${address.service}/${partitionLabel(address.partition)}`;
    this.epoch = state.epoch;
    this.state = state;
    this.source = source;
    this.report = report;
    this.old = new OldAnswers(source, address);
    this.assigned = this.acknowledged = state.commit;
    this.largest = (source.nc.info?.max_payload ?? 1 << 20) - overheadBytes;
  }

  get commit(): number {
    return this.acknowledged;
  }

  get serving(): boolean {
    return this.phase === 'serving';
  }

  /** State and log agree: nothing was decided that is not committed. */
  get settled(): boolean {
    return this.phase !== 'lost' && !this.flying && this.waiting.length === 0;
  }

  /** Takes one command; `time` is stamped here. `done` may be called before this returns. */
  submit(command: Command, done: Done): void {
    if (this.phase !== 'serving') return done(unavailable(this.label, 'its owner is leaving'), undefined);
    const seen = this.state.seen.find(command.tenant, command.id);
    if (seen) return this.again(seen, done);
    if (this.waitingBytes > mostWaitingBytes)
      return done(unavailable(this.label, 'too many changes wait for the broker'), undefined);
    command.time = this.now();
    done = this.observed(command, done);
    let made: EncodedEvent[];
    try {
      made = this.decide(command);
    } catch (error) {
      return this.gather(0).refuse(done, this.refusalOf(error, command));
    }
    const sizes = made.map(({ line }) => Buffer.byteLength(line));
    const bytes = sizes.reduce((sum, size) => sum + size + 1, 0);
    if (bytes > this.largest) return this.gather(0).refuse(done, tooLarge(bytes, this.largest));
    const batch = this.gather(bytes);
    const from = batch.lines.length;
    try {
      for (const [i, each] of made.entries()) this.evolve(batch, each, sizes[i] as number);
    } catch (error) {
      done(this.refusalOf(error, command), undefined);
      return this.lose('failed', `evolve threw: ${String(error)}`);
    }
    batch.answer(done, from, made.length);
  }

  /** Takes no more commands; resolves when those it has are answered. */
  async drain(): Promise<void> {
    if (this.phase === 'serving') this.phase = 'draining';
    while (this.phase !== 'lost' && (this.flying || this.waiting.length > 0))
      await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Gives everything up at once, without a report; what is unanswered is refused, whether or not it was stored. */
  stop(): void {
    this.giveUp(unavailable(this.label, 'its owner stopped'), false);
  }

  /** Where the command belongs to a trace, it is a part of it until its commit is acknowledged, and its events lead on from there. */
  private observed(command: Command, done: Done): Done {
    const { observer } = this.source;
    if (!observer || command.trace === undefined) return done;
    const name = `${command.aggregate}.${command.command.type}`;
    const work = observer.begin({ kind: 'command', name, trace: command.trace });
    command.trace = work.trace;
    return (refusal, answer) => {
      work.end(refusal?.code ?? 'ok', answer?.position);
      if (answer) done(undefined, answer);
      else done(refusal as DomainError, undefined);
    };
  }

  /** What is evolved is the parsed line, or what is equal to it by the model's word: exactly what a replay will see. */
  private decide(command: Command): EncodedEvent[] {
    const { model } = this.state;
    const drafts: readonly EventDraft[] = model.decide(command);
    return drafts.map((draft) => encodeEvent(draft, command, this.label, model.plain?.(draft.type)));
  }

  private evolve(batch: Batch, { line, event }: EncodedEvent, bytes: number): void {
    if (batch.commit === 0) batch.commit = ++this.assigned;
    this.state.evolve(event, batch.commit, batch.lines.length);
    batch.add(line, bytes, event);
    this.waitingBytes += bytes + 1;
  }

  private refusalOf(error: unknown, command: Command): DomainError {
    if (error instanceof DomainError) return error;
    this.report.bug(
      { err: error, partition: this.label, command: command.id, aggregate: command.aggregate },
      'a decider failed',
    );
    return refuse('ledger.decider_failed', `the decision on '${command.command.type}' failed`, { command: command.id });
  }

  /** The batch for `bytes` more. */
  private gather(bytes: number): Batch {
    let batch = this.waiting.at(-1);
    if (!batch || (batch.size > 0 && batch.size + bytes > commitBytes)) {
      batch = new Batch();
      this.waiting.push(batch);
    }
    if (!this.flying && !this.flushing) {
      this.flushing = true;
      // Not at once: all the commands that arrived in one read of the socket belong into one commit.
      queueMicrotask(() => {
        this.flushing = false;
        this.flush();
      });
    }
    return batch;
  }

  private flush(): void {
    if (this.flying || this.phase === 'lost') return;
    const batch = this.waiting.shift();
    if (!batch) {
      for (const resolve of this.idle.splice(0)) resolve();
      return;
    }
    this.flying = batch;
    this.waitingBytes -= batch.size;
    const done = batch.commit === 0 ? this.confirm() : this.publish(batch);
    done.then(
      (ok) => ok && this.landed(batch),
      (error: unknown) => this.lose('failed', String(error)),
    );
  }

  private landed(batch: Batch): void {
    this.flying = undefined;
    batch.settle(this.address, this.acknowledged);
    this.flush();
  }

  private async publish(batch: Batch): Promise<boolean> {
    const body = Buffer.from(batch.lines.length === 1 ? (batch.lines[0] as string) : batch.lines.join('\n'));
    const { hash: prev } = this.state;
    const after = this.acknowledged;
    const { address, epoch } = this;
    const sent = append(this.source, { address, body, after, epoch, prev }, this.abort.signal);
    const hash = hashOf(body);
    const boundary = this.waiting.length === 0 ? this.onBoundary?.(after + 1, hash) : undefined;
    const result = await sent;
    boundary?.(result.outcome === 'stored');
    if ((this.phase as string) === 'lost') return false;
    if (result.outcome !== 'stored') {
      this.unstored(result);
      return false;
    }
    if (result.slow) this.report.slow(batch.commit, result.slow);
    this.acknowledged = batch.commit;
    this.state.commit = batch.commit;
    this.state.hash = hash;
    this.state.epoch = epoch;
    const { commit, events } = batch;
    const fields = { commit, epoch, prev, bytes: body, hash, timeMs: Date.now(), events };
    this.report.committed(new LogCommit(this.address, fields, this.source.upcast));
    return true;
  }

  private unstored(result: Exclude<Appended, { outcome: 'stored' }>): void {
    if (result.outcome === 'full') this.lose('full', result.detail, result.known);
    else if (result.outcome === 'deposed') this.lose('deposed', 'deposed', true);
    else if (result.outcome === 'refused') this.lose('failed', result.detail, true);
    else this.lose('failed', 'closed');
  }

  /** Nothing to write, but answers to give: they are true only if nobody else has written since. */
  private async confirm(): Promise<boolean> {
    for (;;) {
      try {
        const last = await logEnd(this.source, this.address, this.acknowledged);
        if ((this.phase as string) === 'lost') return false;
        if (last === this.acknowledged) return true;
        this.lose('deposed', `the log ends at ${last}, not at ${this.acknowledged}`, true);
        return false;
      } catch {
        if (this.abort.signal.aborted || this.source.nc.isClosed()) return false;
        await new Promise((resolve) => setTimeout(resolve, confirmRetryMs));
      }
    }
  }

  /** An id that was seen before: its old answer, from the batch it is in, or from the log. */
  private again(seen: Seen, done: Done): void {
    if (seen.commit > this.acknowledged) {
      const batches = this.flying ? [this.flying, ...this.waiting] : this.waiting;
      const batch = batches.find((candidate) => candidate.commit === seen.commit);
      if (batch) return batch.answer(done, seen.index, seen.count, true);
    }
    this.old.find(seen).then(
      (answer) => done(undefined, answer),
      () => done(unavailable(this.label, 'the log cannot be read'), undefined),
    );
  }

  /** @param known the commit under way is not in the log; otherwise nobody knows */
  private lose(why: LostBy, detail: string, known = false): void {
    if (this.phase === 'lost') return;
    const reason = why === 'deposed' ? 'another replica owns it now' : detail;
    this.giveUp(why === 'full' ? diskFull(this.address, detail) : unavailable(this.label, reason), known);
    this.report.lost(why, detail);
  }

  private giveUp(refusal: DomainError, known: boolean): void {
    if (this.phase === 'lost') return;
    this.phase = 'lost';
    this.abort.abort();
    this.flying?.fail(known ? refusal : refuse('ledger.timeout', `whether ${this.label} committed it is not known`));
    for (const batch of this.waiting) batch.fail(refusal);
    this.flying = undefined;
    this.waiting = [];
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private now(): string {
    const now = Math.max(steadyNow(), this.state.timeMs);
    if (now !== this.nowMs) {
      this.nowMs = this.state.timeMs = now;
      this.nowIso = new Date(now).toISOString();
    }
    return this.nowIso;
  }
}

function unavailable(partition: string, why: string): DomainError {
  return refuse('ledger.unavailable', `partition ${partition} cannot take changes now: ${why}`, { partition });
}

function tooLarge(bytes: number, most: number): DomainError {
  return refuse('ledger.too_large', `the change has ${bytes} bytes of events; a commit takes ${most}`, {
    bytes,
    most,
  });
}
