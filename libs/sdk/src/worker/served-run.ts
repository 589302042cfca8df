import type { Activate, Entry as WireEntry } from '@writ/proto/worker/v1/worker';
import type { WorkflowDefinition } from '../define/workflow.js';
import type { WritError } from '../errors/errors.js';
import { consult, type Verdict } from '../run/consult.js';
import { execute, type Surroundings } from '../run/execute.js';
import type { RunExecutor } from '../run/executor.js';
import type { Question } from '../run/handlers.js';
import type { Key, RunReport } from '../run/record.js';
import type { Chunks } from '../run/writing.js';
import type { Outgoing } from './outgoing.js';
import { activationIn, entriesIn, type Fetch } from './wire-in.js';
import { reportsOut, type Place } from './wire-out.js';

const gone: Verdict = { type: 'gone' };

/** The stream that a run came by. */
export interface Stream {
  readonly outgoing: Outgoing;
  readonly fetch: Fetch;
  readonly place: Place;
  /** Nothing of this run is under way: it may be forgotten, to save memory. */
  waits(run: ServedRun): void;
  /** Nothing sensible can be said any more: it is torn down, and the runs come again by replay. */
  fail(error: unknown): void;
}

/** One run, handed to this worker under one attempt. What comes and what goes keep their order, also where a value must first be fetched or stored. */
export class ServedRun {
  idle = false;
  /** Its function has ended and that was reported. */
  ended = false;
  #executor: RunExecutor | undefined;
  #incoming: Promise<void> = Promise.resolve();
  #reports: Promise<void> = Promise.resolve();
  #dropped = false;
  readonly #gone = Promise.withResolvers<Verdict>();
  readonly #parts: WireEntry[] = [];

  constructor(
    private readonly activate: Activate,
    private readonly definition: WorkflowDefinition,
    private readonly stream: Stream,
    private readonly around: Surroundings,
  ) {
    this.journal([]);
  }

  get attempt(): string {
    return this.activate.attempt;
  }

  get runId(): string {
    return this.activate.runId;
  }

  get isQuiet(): boolean {
    return this.idle || this.#executor?.isQuiet === true;
  }

  /** A further part of a journal that did not fit into one frame. With the last one the function is called. */
  journal(entries: readonly WireEntry[]): void {
    this.#parts.push(...entries);
    if (this.activate.journal.length + this.#parts.length < this.activate.journalLength || this.#executor) return;
    this.#queue(async () => {
      const activation = await activationIn(this.activate, this.#parts, this.stream.fetch);
      if (this.#dropped) return;
      const { executor, start } = execute(
        this.definition,
        activation,
        { report: (report) => this.#report(report), write: (...written) => this.#write(...written) },
        this.around,
      );
      this.#executor = executor;
      void start();
    });
  }

  /** What came true. */
  resume(entries: readonly WireEntry[]): void {
    this.idle = false;
    this.#queue(async () => {
      const known = await entriesIn(entries, this.stream.fetch);
      if (!this.#dropped) this.#executor?.deliver(known);
    });
  }

  /** Asks the run, wherever it stands. */
  consult(question: Question): Promise<Verdict> {
    const asked = this.#incoming.then(() => (this.#executor ? consult(this.#executor, question) : gone));
    return Promise.race([asked.catch(() => gone), this.#gone.promise]);
  }

  hold(): void {
    this.#executor?.hold();
  }

  /** @param lost with its stream: what it does may be taken up again */
  drop(reason: WritError, lost: boolean): void {
    this.#dropped = true;
    this.#gone.resolve(gone);
    this.#executor?.drop(reason, lost);
  }

  /** Resolves when everything that was reported so far is with the stream. */
  reported(): Promise<void> {
    return this.#reports;
  }

  #queue(work: () => Promise<void>): void {
    this.#incoming = this.#incoming.then(work).catch((error: unknown) => this.stream.fail(error));
  }

  /** Ahead of the report that its step has ended, which is added later. */
  #write({ name, occurrence, attempt: number }: Key & { attempt: number }, chunks: Chunks, written: () => void): void {
    if (this.#dropped) return;
    const { attempt } = this;
    const bytes = chunks.chunks.reduce((sum, { length }) => sum + length, 100);
    const deltas = {
      attempt,
      name,
      occurrence,
      number,
      ...chunks,
      from: BigInt(chunks.from),
      chunks: [...chunks.chunks],
    };
    this.stream.outgoing.add({ deltas, bytes, written });
  }

  #report(report: RunReport): void {
    if (this.#dropped) return;
    this.ended ||= report.end !== undefined;
    this.idle = report.idle;
    this.#reports = this.#reports
      .then(async () => {
        for (const item of await reportsOut(this.attempt, report, this.stream.place)) this.stream.outgoing.add(item);
      })
      .catch((error: unknown) => this.stream.fail(error));
    if (report.idle) this.stream.waits(this);
  }
}
