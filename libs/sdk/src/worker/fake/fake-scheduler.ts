import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type * as grpc from '@grpc/grpc-js';
import {
  ConnectResponseSchema,
  Evict_Reason,
  Kind,
  ValueSchema,
  type Command,
  type ConnectRequest,
  type EntrySchema,
  type PendingSchema,
  type Replay,
  type Report,
  type ReplayResult,
  type TaskSchema,
  type Value,
} from '@writ/proto/worker/v1/worker';
import { encodeBytes } from '../../codec/codec.js';
import type { Handler } from './grpc-fake.js';

type Task = MessageInitShape<typeof TaskSchema>;
type Entry = MessageInitShape<typeof EntrySchema>;
type Stream = grpc.ServerDuplexStream<ConnectRequest, unknown>;

const reply = (init: MessageInitShape<typeof ConnectResponseSchema>) => create(ConnectResponseSchema, init);

/** A run as the fake keeps it. */
export interface FakeRun {
  readonly id: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly journal: Entry[];
  readonly pending: Map<string, MessageInitShape<typeof PendingSchema>>;
  attempt: number;
  stream: Stream | undefined;
  end: Report['end'];
  /** Commands in the order they were reported, as `kind name#occurrence case`. */
  readonly log: string[];
}

/** Speaks the worker protocol from the other side: enough of a scheduler to see what a worker does, and to break at the worst moment. */
export class FakeScheduler {
  readonly runs = new Map<string, FakeRun>();
  readonly hellos: ConnectRequest[] = [];
  readonly frames: ConnectRequest[] = [];
  readonly uploads = new Map<string, Uint8Array>();
  readonly replays: ReplayResult[] = [];
  readonly authorizations: string[] = [];
  /** Answers to a command other than the usual one; undefined: the usual one, null: none. */
  answer: (run: FakeRun, command: Command) => Entry | null | undefined = () => undefined;
  /** Called with each new stream; throwing a status object refuses it. */
  onConnect: (stream: Stream) => void = () => {};
  readonly #streams = new Set<Stream>();
  readonly #changes: (() => void)[] = [];

  readonly handlers: Readonly<Record<string, Handler>> = {
    connect: ((stream: Stream) => this.#connect(stream)) as unknown as Handler,
    uploadValue: ((
      call: grpc.ServerReadableStream<{ chunk: Uint8Array }, unknown>,
      callback: grpc.sendUnaryData<unknown>,
    ) => {
      const chunks: Uint8Array[] = [];
      call.on('data', ({ chunk }) => chunks.push(chunk));
      call.on('end', () => {
        const hash = `sha256:${String(this.uploads.size).padStart(64, '0')}`;
        this.uploads.set(hash, Buffer.concat(chunks));
        callback(null, {
          $typeName: 'writ.worker.v1.UploadValueResponse',
          blob: { $typeName: 'writ.worker.v1.Blob', hash, sizeBytes: 1n },
        });
      });
    }) as unknown as Handler,
    readValue: async function* (this: FakeScheduler, { blob }: { blob: { hash: string } }) {
      const bytes = this.uploads.get(blob.hash) ?? new Uint8Array();
      for (let at = 0; at < bytes.length; at += 100_000) yield { chunk: bytes.subarray(at, at + 100_000) };
    }.bind(this) as unknown as Handler,
  };

  /** Hands a run to a worker, now or when one connects. */
  start(id: string, workflow: string, input?: unknown): FakeRun {
    const run: FakeRun = {
      id,
      workflow,
      input,
      journal: [],
      pending: new Map(),
      attempt: 0,
      stream: undefined,
      end: { case: undefined },
      log: [],
    };
    this.runs.set(id, run);
    this.#dispatch();
    return run;
  }

  /** Something came true. */
  settle(run: FakeRun, entry: Entry, recorded: Entry = entry): void {
    run.pending.delete(`${entry.name}#${entry.occurrence}`);
    if (entry.outcome?.case !== 'retry') run.journal.push(recorded);
    if (run.stream)
      this.#write(run.stream, { case: 'resume', value: { attempt: this.attemptOf(run), entries: [entry] } });
    else this.#dispatch();
  }

  /** Several things at once, in one frame. */
  settleTogether(run: FakeRun, entries: readonly Entry[]): void {
    for (const { name, occurrence } of entries) run.pending.delete(`${name}#${occurrence}`);
    run.journal.push(...entries);
    if (run.stream)
      this.#write(run.stream, { case: 'resume', value: { attempt: this.attemptOf(run), entries: [...entries] } });
  }

  evict(run: FakeRun, reason: Evict_Reason): void {
    if (run.stream) this.#write(run.stream, { case: 'evict', value: { attempt: this.attemptOf(run), reason } });
    run.stream = undefined;
  }

  /** @param end that the record has; default: a result of the run */
  replay(id: string, run: FakeRun, end: Replay['end'] | false = run.end.case === 'completed' && run.end): void {
    const [stream] = this.#streams;
    const task = { id, run: this.#activation(run), ...(end && { end }) };
    if (stream) this.#write(stream, { case: 'replay', value: task as never });
  }

  /** Every connection ends with this status; without one, as if the process had died. */
  crash(status: object = { code: 14, details: 'gone' }): void {
    for (const stream of this.#streams) stream.emit('error', status);
    for (const stream of [...this.#streams]) this.#gone(stream);
  }

  drain(): void {
    for (const stream of this.#streams) stream.write(reply({ drain: true }));
  }

  /** Waits until the condition holds; bounded by the test's own limit. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changes.push(resolve));
  }

  async ended(run: FakeRun): Promise<Report['end']> {
    await this.until(() => run.end.case !== undefined);
    return run.end;
  }

  /** For conditions that change outside of the fake. */
  changed(): void {
    for (const change of this.#changes.splice(0)) change();
  }

  attemptOf(run: FakeRun): string {
    return `${run.id}@${run.attempt}`;
  }

  #connect(stream: Stream): void {
    this.authorizations.push(String(stream.metadata.get('authorization')[0]));
    try {
      this.onConnect(stream);
    } catch (error) {
      stream.emit('error', error);
      return;
    }
    stream.on('data', (frame: ConnectRequest) => this.#frame(stream, frame));
    stream.on('end', () => {
      stream.end();
      this.#gone(stream);
    });
    for (const event of ['close', 'cancelled', 'error']) stream.on(event, () => this.#gone(stream));
  }

  #gone(stream: Stream): void {
    if (!this.#streams.delete(stream)) return;
    for (const run of this.runs.values()) if (run.stream === stream) run.stream = undefined;
    this.#dispatch();
    this.changed();
  }

  #frame(stream: Stream, frame: ConnectRequest): void {
    this.frames.push(frame);
    if (frame.hello) {
      this.hellos.push(frame);
      stream.write(reply({ welcome: { session: 's', maxInlineBytes: 1000n, maxValueBytes: 5_000_000n } }));
      this.#streams.add(stream);
    }
    for (const report of frame.reports) this.#report(stream, report);
    for (const attempt of frame.release)
      for (const run of this.runs.values()) if (this.attemptOf(run) === attempt) run.stream = undefined;
    this.replays.push(...frame.replays);
    if (frame.drain) this.#streams.delete(stream);
    this.#dispatch();
    this.changed();
  }

  #report(stream: Stream, report: Report): void {
    const run = [...this.runs.values()].find((each) => this.attemptOf(each) === report.attempt);
    if (!run || run.stream !== stream) return;
    for (const command of report.commands) this.#command(run, command);
    if (!report.end.case) return;
    run.end = report.end;
    this.evict(run, Evict_Reason.ENDED);
  }

  #command(run: FakeRun, command: Command): void {
    const { kind, name, occurrence, what } = command;
    run.log.push(`${Kind[kind]} ${name}#${occurrence} ${what.case}`);
    const key = { kind, name, occurrence, timeMs: BigInt(Date.now()) };
    const own = this.answer(run, command);
    if (own === null) {
      run.pending.set(`${name}#${occurrence}`, { kind, name, occurrence });
      return;
    }
    if (own) return this.settle(run, { ...key, ...own });
    const recorded: Entry = { ...key, outcome: { case: 'recorded', value: true } };
    if (what.case === 'completed')
      this.settle(run, recorded, { ...key, outcome: { case: 'completed', value: what.value } });
    else if (what.case === 'emit' || what.case === 'set' || what.case === 'patch') this.settle(run, recorded);
    else if (what.case === 'failed' && what.value.retryable && what.value.attempt < (what.value.policy?.attempts || 5))
      this.settle(run, { ...key, outcome: { case: 'retry', value: what.value.attempt + 1 } });
    else if (what.case === 'failed' && what.value.error)
      this.settle(run, { ...key, outcome: { case: 'failed', value: what.value.error } });
    else if (what.case === 'abort') {
      if (run.pending.has(`${name}#${occurrence}`))
        this.settle(run, { ...key, outcome: { case: 'failed', value: what.value } });
    } else if (what.case === 'sleep') this.settle(run, { ...key, outcome: { case: 'fired', value: true } });
    else run.pending.set(`${name}#${occurrence}`, { kind, name, occurrence });
  }

  #dispatch(): void {
    for (const run of this.runs.values()) {
      if (run.stream || run.end.case || this.#streams.size === 0) continue;
      const [stream] = this.#streams;
      run.attempt++;
      run.stream = stream;
      if (stream) this.#activate(stream, run);
    }
  }

  #activation(run: FakeRun) {
    const { id, workflow, journal, pending } = run;
    return {
      attempt: this.attemptOf(run),
      runId: id,
      workflow,
      startedAtMs: 1_700_000_000_000n,
      journal: [...journal],
      journalLength: journal.length,
      pending: [...pending.values()],
      ...(run.input === undefined ? {} : { input: value(run.input) }),
    };
  }

  /** In two parts where it is long enough, as a real scheduler does with a journal that fits into no frame. */
  #activate(stream: Stream, run: FakeRun): void {
    const activation = this.#activation(run);
    const later = activation.journal.splice(2);
    this.#write(stream, { case: 'activate', value: activation });
    if (later.length > 0)
      this.#write(stream, { case: 'journal', value: { attempt: activation.attempt, entries: later } });
  }

  #write(stream: Stream, task: NonNullable<Task['task']>): void {
    if (!stream.destroyed) stream.write(reply({ tasks: [{ task }] }));
  }
}

/** A value as a frame carries it. */
export const value = (plain: unknown): Value =>
  create(ValueSchema, { value: { case: 'json', value: encodeBytes(plain) } });
