import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { clientOf, GrpcChannel } from '@writ/api';
import {
  Kind,
  WorkerService,
  type Activate,
  type CommandSchema,
  type ConnectRequestSchema,
  type ConnectResponse,
  type Consult,
  type Evict,
  type Replay,
  type ReportSchema,
  RetryPolicySchema,
} from '@writ/proto/worker/v1/worker';
import { RunExecution } from './run-execution.js';
import type { TestWorkflow } from './test-context.js';

type Outgoing = MessageInitShape<typeof ConnectRequestSchema>;
export type OutgoingReport = MessageInitShape<typeof ReportSchema>;
export type OutgoingCommand = MessageInitShape<typeof CommandSchema>;

export interface TestWorkerOptions {
  address: string;
  /** Value of the `authorization` header. */
  token: string;
  workflows: Record<string, TestWorkflow>;
  queue?: string;
  concurrency?: number;
  version?: string;
  /** Which messages its workflows take; by default it does not say. */
  messages?: string[];
}

/** The smallest worker that speaks the protocol by the book. It shares no code with the SDK, so that the two check each other. */
export class TestWorker {
  readonly evicted: Evict[] = [];
  readonly activated: Activate[] = [];
  /** Called before an entry is taken, with how many there were with it. */
  onEntry: ((seen: number) => void) | undefined;
  onActivate: (() => void) | undefined;
  private seen = 0;
  readonly runs = new Map<string, RunExecution>();
  /** Rejects when the stream ended with an error. */
  readonly closed: Promise<void>;
  readonly welcomed: Promise<void>;
  private readonly channel: GrpcChannel;
  private readonly abort = new AbortController();
  private readonly outgoing: Outgoing[] = [];
  private wake: (() => void) | undefined;
  private done = false;
  private welcome!: () => void;

  constructor(private readonly options: TestWorkerOptions) {
    this.channel = new GrpcChannel(options.address, { metadata: () => ({ authorization: options.token }) });
    this.welcomed = new Promise((resolve) => (this.welcome = resolve));
    this.send({
      hello: {
        worker: 'test',
        queue: options.queue ?? '',
        concurrency: options.concurrency ?? 0,
        workflows: Object.keys(options.workflows).map((name) => ({
          name,
          version: options.version ?? '',
          ...(options.messages && { messages: { names: options.messages } }),
        })),
      },
    });
    this.closed = this.listen();
    this.closed.catch(() => undefined);
  }

  send(frame: Outgoing): void {
    this.outgoing.push(frame);
    this.wake?.();
  }

  report(report: OutgoingReport): void {
    if (!this.abort.signal.aborted) this.send({ reports: [report] });
  }

  /** As if the process had died: nothing more is said or heard. */
  kill(): void {
    this.abort.abort();
    for (const run of this.runs.values()) run.drop();
    this.channel.close();
  }

  /** Ends its half of the stream and waits for the other. */
  async stop(): Promise<void> {
    this.done = true;
    this.wake?.();
    await this.closed.catch(() => undefined);
    this.channel.close();
  }

  private async *frames(): AsyncIterable<Outgoing> {
    for (;;) {
      while (this.outgoing.length === 0 && !this.done) await new Promise<void>((resolve) => (this.wake = resolve));
      if (this.outgoing.length === 0) return;
      yield this.outgoing.shift() as Outgoing;
    }
  }

  private async listen(): Promise<void> {
    const client = clientOf(WorkerService, this.channel);
    for await (const frame of client.connect(this.frames(), { signal: this.abort.signal })) this.take(frame);
  }

  private take({ welcome, tasks }: ConnectResponse): void {
    if (welcome) this.welcome();
    for (const { task } of tasks) {
      switch (task.case) {
        case 'activate':
          this.activated.push(task.value);
          this.onActivate?.();
          if (this.abort.signal.aborted) return;
          this.activate(task.value);
          break;
        case 'journal':
          this.runs.get(task.value.attempt)?.journal(task.value.entries);
          break;
        case 'resume':
          this.seen += task.value.entries.length;
          this.onEntry?.(this.seen);
          if (this.abort.signal.aborted) return;
          this.runs.get(task.value.attempt)?.resume(task.value.entries);
          break;
        case 'evict':
          this.evicted.push(task.value);
          this.runs.get(task.value.attempt)?.drop();
          this.runs.delete(task.value.attempt);
          break;
        case 'replay':
          this.replay(task.value);
          break;
        case 'consult':
          void this.consult(task.value).then((result) => this.send({ consulted: [result] }));
          break;
        case undefined:
          throw new Error('a task of an unknown kind');
      }
    }
  }

  private activate(activate: Activate): void {
    const workflow = this.options.workflows[activate.workflow];
    if (!workflow) throw new Error(`no code for ${activate.workflow}`);
    const run = new RunExecution(activate, workflow, (report) => this.report(report));
    this.runs.set(activate.attempt, run);
    run.start();
  }

  private async consult(question: Consult) {
    const { id, attempt, run } = question;
    if (run) {
      const workflow = this.options.workflows[run.workflow] as TestWorkflow;
      return new RunExecution(run, workflow, () => undefined).consultCopy(question);
    }
    return this.runs.get(attempt)?.consult(question) ?? { id, result: { case: 'gone' as const, value: true } };
  }

  private replay({ id, run, end }: Replay): void {
    if (!run) return;
    const workflow = this.options.workflows[run.workflow] as TestWorkflow;
    const execution = new RunExecution(run, workflow, () => undefined);
    void execution.replay(end).then((result) => this.send({ replays: [{ id, ...result }] }));
  }
}

/** Constant delay. */
export function constant(attempts: number, delayMs: number) {
  return create(RetryPolicySchema, { attempts, delayMs: BigInt(delayMs), factor: 1 });
}

export { Kind };
