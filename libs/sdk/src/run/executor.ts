import { CancelledError, FatalError, type WritError } from '../errors/errors.js';
import type { Attempts } from './attempts.js';
import { Cancellation } from './cancellation.js';
import { failureOf } from './failure.js';
import { beginAttempt, endedAttempt, refusal, type Performer } from './perform.js';
import {
  keyText,
  type Activation,
  type Bytes,
  type Command,
  type Divergence,
  type Done,
  type Entry,
  type Failure,
  type RunEnd,
} from './record.js';
import type { Handlers } from './handlers.js';
import { outsideSteps } from './inside.js';
import { Lives } from './lives.js';
import { Outbox, type RunPort } from './outbox.js';
import { feed } from './replay.js';
import { rest } from './rest.js';
import { aborted, approvalFor, callOfApproval, Slot, type Request } from './slot.js';
import { Tally } from './tally.js';

/**
 * Executes one run: issues its commands, performs its steps, and settles every promise of the function by an entry of the ledger and by nothing else,
 * in the ledger's order, letting the function come to rest between two entries. See the narrative in proto/writ/worker/v1/worker.proto.
 */
export class RunExecutor {
  readonly cancellation = new Cancellation();
  /** Time of the last recorded event. */
  now: Date;
  /** Recorded results are being fed to the function; nothing is performed, nothing is reported. */
  replaying = true;
  /** What the function says now it has said before. */
  silent: boolean;
  end: RunEnd | undefined;
  /** What the code answers; set before it is called. */
  handlers: Handlers | undefined;
  readonly tally = new Tally();
  readonly lives: Lives;

  readonly #slots = new Map<string, Slot>();
  readonly #entries: Entry[] = [];
  readonly #outbox: Outbox;
  #performing = 0;
  #delivered = 0;
  #dropped = false;
  #holding = false;
  #pumping = false;
  #flushing = false;

  constructor(
    readonly activation: Activation,
    private readonly port: RunPort,
    private readonly attempts: Attempts,
    private readonly performer: Performer,
  ) {
    this.#outbox = new Outbox(port);
    this.lives = new Lives(activation);
    this.now = this.lives.began;
    this.silent = activation.journal.length + activation.pending.length > 0 || activation.ended === true;
  }

  get runId(): string {
    return this.activation.runId;
  }

  /** Calls the function, feeds it the journal, and goes live. `run` must not throw. */
  async start(run: () => Promise<RunEnd>): Promise<void> {
    const divergence = await this.rehearse(run);
    if (this.#dropped) return;
    if (divergence) {
      this.#dropped = true;
      this.#outbox.report({ type: 'diverged', divergence }, false, this.#delivered);
      return;
    }
    this.#goLive();
    await this.#pump();
  }

  /** Calls the function and feeds it the journal, no more: nothing is performed, nothing is reported. */
  async rehearse(run: () => Promise<RunEnd>): Promise<Divergence | undefined> {
    void outsideSteps(run).then((end) => {
      this.end = end;
      if (!this.replaying) this.#flushSoon();
    });
    await rest();
    return feed(this, this.activation);
  }

  /** Begins nothing new: what is performed goes on to its end, and then the run may go elsewhere. */
  hold(): void {
    this.#holding = true;
  }

  /** Nothing is performed, and everything that was has been reported. */
  get isQuiet(): boolean {
    return !this.replaying && this.#performing === 0 && this.#outbox.isEmpty && !this.end;
  }

  /** What came true, in the ledger's order. */
  deliver(entries: readonly Entry[]): void {
    this.#entries.push(...entries);
    this.#outbox.heard();
    if (!this.replaying) void this.#pump();
  }

  /** Forgets the coroutine: its promises never settle. `lost`: the run may come back here, what it does goes on for a while. */
  drop(reason: WritError, lost = false): void {
    this.#dropped = true;
    for (const slot of this.open()) {
      if (!slot.perform) continue;
      if (lost) this.attempts.orphan(this.#effect(slot), this, reason);
      else this.#letGo(slot, reason);
    }
    if (!lost) this.cancellation.abort(reason);
  }

  /** The command of the function, as a promise that an entry settles. */
  issue(request: Request): Slot {
    const occurrence = request.occurrence ?? this.tally.next(request.name);
    const slot = new Slot(request, occurrence, this.cancellation.requested || request.shielded === true);
    this.#slots.set(slot.key, slot);
    if (slot.signal) this.#heed(slot, slot.signal);
    if (!this.replaying) this.#live(slot);
    return slot;
  }

  slot(key: string): Slot | undefined {
    return this.#slots.get(key);
  }

  /** Commands without an end, in the order of their issue. */
  open(): Slot[] {
    return [...this.#slots.values()].filter((slot) => slot.phase !== 'settled');
  }

  /** Settles by one entry; the entries of a journal and live ones alike. */
  settle(entry: Entry): void {
    this.tally.add(entry, this.#slots.get(keyText(entry))?.sent);
    if (entry.kind === 'cancel') {
      this.now = this.lives.pass(entry);
      return this.cancel(entry.outcome.type === 'cancel' ? entry.outcome.reason : '');
    }
    if (entry.outcome.type === 'accepted') return this.#accepted(entry, entry.outcome.update, entry.outcome.value);
    const slot = this.#slots.get(keyText(entry));
    if (entry.outcome.type === 'retry') {
      if (slot && slot.phase !== 'settled') this.#again(slot, entry.outcome.attempt);
      return;
    }
    this.now = this.lives.pass(entry);
    if (entry.kind === 'approval') this.#approve(entry);
    if (!slot) return;
    this.#slots.delete(slot.key);
    if (slot.perform) this.attempts.forget(this.#effect(slot));
    if (slot.phase === 'settled') return; // the function was cancelled out of this wait
    slot.settle(
      entry.outcome.type === 'recorded' && slot.kind !== 'emit'
        ? { type: 'completed', value: slot.sent }
        : entry.outcome,
    );
  }

  /** Cuts every open wait short, aborts what is performed, and lets the function clean up. */
  cancel(
    reason: string,
    error: WritError = new CancelledError(reason ? `the run is cancelled: ${reason}` : undefined),
  ): void {
    this.cancellation.request(error);
    this.#outbox.cancelled();
    for (const slot of this.open()) {
      if (slot.afterCancel) continue;
      if (slot.isOpenWait) slot.reject(error);
      if (!slot.perform || this.replaying) continue;
      if (slot.phase === 'performing') this.#stop(slot, error);
      else this.#giveUp(slot, failureOf(error));
    }
  }

  /** The function has ended badly; what it did is taken back by these steps. */
  undo(steps: readonly string[]): void {
    this.#outbox.undo(steps);
    this.#flushSoon();
  }

  /** The update that was accepted last and whose answer is not recorded. */
  get handling(): Slot | undefined {
    return this.open().find(({ kind }) => kind === 'update');
  }

  /** How many entries the function had seen by now, when it has come to rest; undefined where it is not to be asked any more. */
  async atRest(): Promise<number | undefined> {
    while ((this.replaying || this.#pumping || this.#entries.length > 0) && !this.#dropped) await rest();
    return this.#dropped || this.end ? undefined : this.#delivered;
  }

  #accepted(entry: Entry, update: string, data: Bytes): void {
    this.now = this.lives.pass(entry);
    const { kind, name } = entry;
    const slot = this.issue({ kind, name, answers: true });
    void this.handlers?.answer(update, data).then((answer) => {
      slot.answer = answer;
      if (!this.replaying && slot.phase === 'waiting') this.#send(slot, answer);
    });
  }

  #approve(entry: Entry): void {
    const { name, outcome } = entry;
    const call = this.#slots.get(callOfApproval(name) ?? '');
    if (!call?.perform || call.phase === 'settled' || call.givenUp) return;
    call.approval = outcome.type === 'answered' && outcome.answer.approved ? outcome.answer.approvalId : undefined;
    call.refusal = call.approval ? undefined : refusal(call, outcome);
    const { occurrence } = entry;
    this.tally.atLeast(name, occurrence);
    if (!this.replaying) this.#attempt(call, call.failures + 1);
  }

  /** After the journal: what was reported waits for its entry, everything else that was held begins. */
  #goLive(): void {
    this.replaying = this.silent = false;
    const { handling } = this;
    if (handling?.answer) this.#send(handling, handling.answer);
    if (this.end) return; // what it left open is of no use to anyone
    const pending = new Map(this.activation.pending.map((each) => [keyText(each), each]));
    for (const slot of this.open()) {
      if (slot.answer) continue;
      const known = pending.get(slot.key);
      const approving = pending.has(`${slot.name}/${slot.occurrence}/approval#1`);
      if (!known && !approving) {
        this.#live(slot);
        continue;
      }
      slot.phase = known && slot.perform ? 'sent' : 'waiting';
      slot.failures = known?.failures ?? 0;
      if (slot.signal?.aborted) this.#giveUp(slot, aborted);
      else if (slot.perform && known?.due) this.#attempt(slot, slot.failures + 1);
      else if (slot.perform && this.cancellation.requested && !slot.afterCancel)
        this.#giveUp(slot, failureOf(this.cancellation.error));
    }
  }

  #live(slot: Slot): void {
    slot.phase = 'waiting';
    if (slot.kind === 'update') return;
    if (slot.wish) this.#push(slot, slot.wish);
    else if (slot.signal?.aborted) this.#end(slot, slot.failures + 1, aborted);
    else this.#attempt(slot, slot.failures + 1);
    if (slot.wish && slot.signal?.aborted) this.#giveUp(slot, aborted);
  }

  /** The function may give the command up by its signal; while results are replayed the record says whether it did. */
  #heed(slot: Slot, signal: AbortSignal): void {
    const abort = () => {
      if (this.replaying || this.#dropped || slot.phase === 'settled') return;
      if (slot.phase === 'performing') slot.abort?.abort(new FatalError(aborted.message, { code: aborted.code }));
      else this.#giveUp(slot, aborted);
    };
    signal.addEventListener('abort', abort, { once: true });
    const release = () => signal.removeEventListener('abort', abort);
    slot.outcome.then(release, release);
  }

  /** Nobody waits for it any more, and nothing is performed for it. What came true before that is recorded counts all the same. */
  #giveUp(slot: Slot, error: Failure): void {
    if (slot.givenUp) return;
    slot.givenUp = true;
    // Before its call: a replay finds the wait for an approval by the call that waits for it.
    const approval = slot.perform && this.#approvalOf(slot);
    if (approval) this.#giveUp(approval, error);
    this.#push(slot, { type: 'abort', error });
  }

  #approvalOf(call: Slot): Slot | undefined {
    return [...this.#slots.values()].find(({ kind, name }) => kind === 'approval' && callOfApproval(name) === call.key);
  }

  #again(slot: Slot, attempt: number): void {
    if (slot.givenUp) return;
    this.attempts.forget(this.#effect(slot));
    if (this.#isGivenUp(slot)) return this.#send(slot, endedAttempt(attempt, failureOf(this.cancellation.error)));
    this.#attempt(slot, attempt);
  }

  #attempt(slot: Slot, attempt: number): void {
    const { perform } = slot;
    if (!perform || this.#holding) return;
    slot.failures = attempt - 1;
    if (slot.refusal) return this.#send(slot, slot.refusal);
    if (this.#isGivenUp(slot)) {
      this.cancellation.outcomeUnknown.add(slot);
      return this.#end(slot, attempt, failureOf(this.cancellation.error));
    }
    slot.phase = 'performing';
    this.#performing++;
    slot.progress ??= this.activation.progress?.get(slot.key);
    const live = this.attempts.make(this.#effect(slot), this, () =>
      beginAttempt(this.performer, slot, perform, attempt),
    );
    slot.abort = live.abort;
    const step = { kind: slot.kind, name: slot.name, occurrence: slot.occurrence, attempt };
    live.writing.to((chunks, written) => this.port.write?.(step, chunks, written));
    live.pulse.to((progress) => this.#beat(slot, attempt, live.pulse.limitMs, progress));
    void live.done.then((done) => {
      slot.progress = live.pulse.progress ?? slot.progress;
      this.#performing--;
      if (this.#dropped || slot.phase !== 'performing') return;
      if (done.type === 'ask-first') {
        this.attempts.forget(this.#effect(slot));
        slot.phase = 'waiting';
        this.issue(approvalFor(slot, done.approvalId));
        return this.#flushSoon();
      }
      const afterAbort = this.#isGivenUp(slot) && done.type === 'failed';
      this.#send(slot, afterAbort ? { ...done, retryable: false } : done);
    });
  }

  /** The scheduler waits a second longer than this process, which knows more. */
  #beat(slot: Slot, attempt: number, silenceMs: number, progress: Bytes): void {
    if (this.#dropped || slot.phase !== 'performing') return;
    const leaseMs = silenceMs > 0 ? silenceMs + 1_000 : 0;
    this.#push(slot, { type: 'beat', attempt, leaseMs, policy: slot.perform?.policy ?? {}, progress });
  }

  #isGivenUp({ afterCancel }: Slot): boolean {
    return this.cancellation.requested && !afterCancel;
  }

  /** Without an attempt of its own; one that an earlier life of the run here left over stops. */
  #end(slot: Slot, attempt: number, error: Failure): void {
    this.attempts.end(this.#effect(slot), new FatalError(error.message, { code: error.code }));
    this.#send(slot, endedAttempt(attempt, error));
  }

  #send(slot: Slot, done: Done): void {
    slot.phase = 'sent';
    if (done.type === 'completed') slot.sent = done.value;
    this.#push(slot, done);
  }

  #push({ kind, name, occurrence }: Slot, what: Command['what']): void {
    this.#outbox.add({ kind, name, occurrence, what });
    this.#flushSoon();
  }

  #stop(slot: Slot, error: WritError): void {
    this.cancellation.stopped.add(slot);
    slot.abort?.abort(error);
  }

  #letGo(slot: Slot, reason: unknown): void {
    this.attempts.giveUp(this.#effect(slot), this, reason);
  }

  #effect(slot: Slot): string {
    return `${this.lives.id}/${slot.key}/${slot.failures + 1}`;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let entry = this.#entries.shift(); entry && !this.#dropped; entry = this.#entries.shift()) {
      this.#delivered++;
      this.settle(entry);
      await rest();
    }
    this.#pumping = false;
    await this.#flush();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#pumping || this.replaying) return;
    this.#flushing = true;
    void rest().then(() => {
      this.#flushing = false;
      if (!this.#pumping) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#dropped) return;
    if (this.end) return this.#finish(this.end);
    this.#outbox.tell(this.#performing === 0 && this.open().length > 0, this.#delivered);
  }

  async #finish(end: RunEnd): Promise<void> {
    this.#dropped = true; // entries that still come change nothing
    for (const slot of this.open())
      if (slot.phase === 'performing') this.#letGo(slot, new CancelledError('the run has ended'));
    await this.port.beforeEnd?.();
    this.#outbox.report(end, false, this.#delivered);
  }
}
