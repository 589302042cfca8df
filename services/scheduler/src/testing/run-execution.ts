import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LimitsSchema } from '@writ/proto/run/v1/budget';
import {
  Kind,
  type Activate,
  type Consult,
  type ConsultResultSchema,
  type CommandSchema,
  type DivergenceSchema,
  type Entry,
  type Failure,
  type Replay,
  type ReportSchema,
  type RetryPolicy,
  type Value,
} from '@writ/proto/worker/v1/worker';

type Command = MessageInitShape<typeof CommandSchema>;
type Report = MessageInitShape<typeof ReportSchema>;
interface Key {
  kind: Kind;
  name: string;
  occurrence: number;
}
type Divergence = MessageInitShape<typeof DivergenceSchema>;

/** What a test's workflow sees: the bare commands of the protocol. */
export interface TestContext {
  readonly runId: string;
  readonly signal: AbortSignal;
  step<T>(name: string, body: (attempt: number) => T | Promise<T>, retry?: RetryPolicy): Promise<T>;
  sleep(ms: number, name?: string): Promise<void>;
  /** The message's data, or 'timeout'. */
  wait(message: string, timeoutMs?: number): Promise<unknown>;
  ask(title: string): Promise<{ approved: boolean; by: string; value: unknown }>;
  start(
    workflow: string,
    input: unknown,
    options?: {
      id?: string;
      cancelWithParent?: boolean;
      actions?: string[];
      limits?: MessageInitShape<typeof LimitsSchema>;
    },
  ): Promise<string>;
  result(child: string): Promise<unknown>;
  /** How the children ended that it waited for together. */
  join(children: readonly string[], need: number): Promise<(string | undefined)[]>;
  /** Answers a query or, with `accept`, updates of this name. */
  handle(name: string, answer: (data: unknown) => unknown, accept?: (data: unknown) => void): void;
  emit(name: string, data: unknown): Promise<void>;
}
export type TestWorkflow = (ctx: TestContext, input: never) => Promise<unknown>;

/** An error that came by way of the record. */
export class RecordedError extends Error {
  constructor(readonly failure: Pick<Failure, 'code' | 'message'> & { details?: Failure['details'] | object }) {
    super(failure.message);
  }
}

interface Issued {
  kind: Kind;
  name: string;
  occurrence: number;
  settle(entry: Entry): void;
  fail(error: Error): void;
  /** Goes live: performs the step, or tells the wish. */
  go(attempt: number): void;
  state: 'held' | 'gone' | 'settled';
}

/** One run on the test's worker. */
export class RunExecution {
  private readonly counts = new Map<string, number>();
  private readonly issued = new Map<string, Issued>();
  private readonly abort = new AbortController();
  private readonly entries: Entry[];
  private readonly inbox: Entry[] = [];
  private readonly handlers = new Map<string, { answer(data: unknown): unknown; accept?(data: unknown): void }>();
  private seen = 0;
  private live = false;
  private performing = 0;
  private unrecorded = 0;
  private idle = false;
  private dropped = false;
  private driving = false;
  private outcome: { value: unknown } | { error: unknown } | undefined;
  private batch: Command[] = [];

  constructor(
    private readonly task: Activate,
    private readonly workflow: TestWorkflow,
    private readonly report: (report: Report) => void,
  ) {
    this.entries = [...task.journal];
  }

  start(): void {
    if (this.entries.length === this.task.journalLength) void this.begin();
  }

  journal(entries: readonly Entry[]): void {
    this.entries.push(...entries);
    this.start();
  }

  resume(entries: readonly Entry[]): void {
    this.inbox.push(...entries);
    this.seen += entries.length;
    this.idle = false;
    if (this.live) void this.drive();
  }

  drop(): void {
    this.dropped = true;
    this.abort.abort();
  }

  /** What it says to a question, when it has come to rest. */
  async consult(
    { id, name, update, data }: Consult,
    copy = false,
  ): Promise<MessageInitShape<typeof ConsultResultSchema>> {
    do await rest();
    while (!copy && !this.dropped && (!this.live || this.driving));
    const { answer, accept } = this.handlers.get(name) ?? {};
    if (this.dropped || !answer) return { id, result: { case: 'gone', value: true } };
    try {
      const value = update ? accept?.(valueOf(data)) : answer(valueOf(data));
      return { id, result: { case: 'completed', value: wire(value) }, entries: this.seen };
    } catch (error) {
      return { id, result: { case: 'failed', value: failureOf(error) } };
    }
  }

  /** The same of a copy. */
  async consultCopy(question: Consult): Promise<MessageInitShape<typeof ConsultResultSchema>> {
    this.call();
    await this.replayJournal();
    return this.consult(question, true);
  }

  /** An update was accepted: its handler begins, and its answer is a command of this name. */
  private accepted({ name, outcome }: Entry): void {
    if (outcome.case !== 'accepted') return;
    const { answer } = this.handlers.get(outcome.value.update) ?? {};
    const done = Promise.resolve(answer?.(valueOf(outcome.value.data)));
    done.catch(() => undefined);
    const go = (key: Key) =>
      void done
        .then(
          (value) => ({ case: 'completed' as const, value: wire(value) }),
          (error: unknown) => ({ case: 'failed' as const, value: { attempt: 1, error: failureOf(error) } }),
        )
        .then((what) => {
          this.unrecorded++;
          this.tell({ ...key, what });
        });
    this.issue(Kind.UPDATE, name, () => undefined, go).catch(() => undefined);
  }

  /** Executes from the journal alone. */
  async replay(end: Replay['end']) {
    this.call();
    const difference = await this.replayJournal();
    if (difference) return { same: false, firstDifference: difference, entries: 0, liveCalls: 0 };
    const actual =
      this.outcome === undefined ? 'open' : 'value' in this.outcome ? this.json(this.outcome.value) : 'error';
    const expected = end.case === 'completed' ? textOf(end.value) : end.case === undefined ? 'open' : 'error';
    const entries = this.entries.length;
    if (actual === expected) return { same: true, entries, liveCalls: 0 };
    const text = `the record ends with ${expected}, the code with ${actual}`;
    return { same: false, firstDifference: { position: entries, text }, entries, liveCalls: 0 };
  }

  private async begin(): Promise<void> {
    this.call();
    const difference = await this.replayJournal();
    if (this.dropped) return;
    if (difference) return this.report({ attempt: this.task.attempt, end: { case: 'diverged', value: difference } });
    this.live = true;
    for (const { name, occurrence, failures, due } of this.task.pending) {
      const command = this.issued.get(`${occurrence} ${name}`) as Issued;
      command.state = 'gone';
      if (due || command.kind === Kind.UPDATE) command.go(failures + 1);
    }
    await this.drive();
  }

  private call(): void {
    this.workflow(this.context(), valueOf(this.task.input) as never).then(
      (value) => (this.outcome = { value }),
      (error: unknown) => (this.outcome = { error }),
    );
  }

  private async replayJournal(): Promise<Divergence | undefined> {
    for (const [position, entry] of this.entries.entries()) {
      await rest();
      if (entry.kind === Kind.CANCEL) this.cancel();
      else if (entry.outcome.case === 'accepted') this.accepted(entry);
      else {
        const command = this.issued.get(`${entry.occurrence} ${entry.name}`);
        if (command?.kind !== entry.kind) return this.difference(position, entry, command);
        command.state = 'settled';
        command.settle(entry);
      }
    }
    await rest();
    for (const pending of this.task.pending) {
      const command = this.issued.get(`${pending.occurrence} ${pending.name}`);
      if (command?.kind !== pending.kind) return this.difference(this.entries.length, pending, command);
    }
    return undefined;
  }

  private difference(
    position: number,
    expected: { kind: Kind; name: string; occurrence: number },
    same: Issued | undefined,
  ): Divergence {
    const asked = same ?? [...this.issued.values()].find(({ state }) => state === 'held');
    const text = `the record has ${expected.name}/${expected.occurrence}, the code asked for ${asked ? `${asked.name}/${asked.occurrence}` : 'nothing'}`;
    const { kind, name, occurrence } = expected;
    return {
      position,
      text,
      expected: { kind, name, occurrence },
      ...(asked && { actual: { kind: asked.kind, name: asked.name, occurrence: asked.occurrence } }),
    };
  }

  /** Settles what came true, one after another, and lets go what the function asked for in between. */
  private async drive(): Promise<void> {
    if (this.driving) return;
    this.driving = true;
    for (let more = true; more;) {
      await rest();
      if (this.dropped) return;
      const held = [...this.issued.values()].filter(({ state }) => state === 'held');
      for (const command of held) {
        command.state = 'gone';
        command.go(1);
      }
      const entry = this.inbox.shift();
      if (entry) this.take(entry);
      more = entry !== undefined || held.length > 0;
    }
    this.driving = false;
    this.flush();
  }

  private take(entry: Entry): void {
    if (entry.kind === Kind.CANCEL) return this.cancel();
    if (entry.outcome.case === 'accepted') return this.accepted(entry);
    const command = this.issued.get(`${entry.occurrence} ${entry.name}`);
    if (!command || command.state !== 'gone') return;
    if (entry.outcome.case === 'retry') return command.go(entry.outcome.value);
    if (entry.outcome.case === 'recorded' || entry.kind === Kind.UPDATE) this.unrecorded--;
    command.state = 'settled';
    command.settle(entry);
  }

  private flush(): void {
    if (this.dropped || !this.live) return;
    const commands = this.batch.splice(0);
    const { attempt } = this.task;
    if (this.outcome && this.inbox.length === 0) {
      this.dropped = true;
      return this.report({ attempt, commands, end: this.end(this.outcome) });
    }
    const idle = this.performing === 0 && this.unrecorded === 0 && !this.outcome;
    if (commands.length === 0 && (!idle || this.idle)) return;
    this.idle = idle;
    this.report({ attempt, commands, idle, entries: this.seen });
  }

  private end(outcome: { value: unknown } | { error: unknown }): NonNullable<Report['end']> {
    if ('value' in outcome) return { case: 'completed', value: wire(outcome.value) };
    if (this.abort.signal.aborted)
      return { case: 'cancelled', value: { stopped: ['the function'], outcomeUnknown: [] } };
    return { case: 'failed', value: failureOf(outcome.error) };
  }

  private cancel(): void {
    this.abort.abort();
    for (const command of this.issued.values())
      if (command.state !== 'settled' && command.kind !== Kind.STEP) {
        command.state = 'settled';
        command.fail(new Error('cancelled'));
      }
  }

  private json(value: unknown): string {
    return value === undefined ? 'undefined' : JSON.stringify(value);
  }

  private issue<T>(
    kind: Kind,
    name: string,
    read: (entry: Entry) => T,
    go: (key: Key, attempt: number) => void,
  ): Promise<T> {
    const occurrence = (this.counts.get(name) ?? 0) + 1;
    this.counts.set(name, occurrence);
    return new Promise<T>((resolve, reject) => {
      const settle = (entry: Entry) => {
        if (entry.outcome.case === 'failed') return reject(new RecordedError(entry.outcome.value));
        resolve(read(entry));
      };
      const key = { kind, name, occurrence };
      this.issued.set(`${occurrence} ${name}`, {
        ...key,
        settle,
        fail: reject,
        go: (attempt) => go(key, attempt),
        state: 'held',
      });
    });
  }

  private tell(command: Command): void {
    this.batch.push(command);
    if (!this.driving) this.flush();
  }

  private async perform(
    key: Key,
    attempt: number,
    body: (attempt: number) => unknown,
    policy: RetryPolicy | undefined,
    keep: (value: unknown) => void,
  ) {
    this.performing++;
    try {
      const value = await body(attempt);
      this.performing--;
      this.unrecorded++;
      keep(value);
      this.tell({ ...key, what: { case: 'completed', value: wire(value) } });
    } catch (error) {
      this.performing--;
      const retryable = !(error instanceof Error && error.name === 'Fatal');
      const failure = { attempt, error: failureOf(error), retryable, ...(policy && { policy }) };
      this.tell({ ...key, what: { case: 'failed', value: failure } });
    }
  }

  private context(): TestContext {
    const kept = new Map<string, unknown>();
    return {
      runId: this.task.runId,
      signal: this.abort.signal,
      step: <T>(name: string, body: (attempt: number) => T | Promise<T>, retry?: RetryPolicy) => {
        const id = `${name}/${(this.counts.get(name) ?? 0) + 1}`;
        const read = (entry: Entry) => (entry.outcome.case === 'recorded' ? kept.get(id) : completed(entry)) as T;
        return this.issue(Kind.STEP, name, read, (key, attempt) => {
          void this.perform(key, attempt, body, retry, (value) => kept.set(id, value));
        });
      },
      sleep: (ms, name = 'sleep') =>
        this.issue(
          Kind.SLEEP,
          name,
          () => undefined,
          (key) =>
            this.tell({ ...key, what: { case: 'sleep', value: { until: { case: 'durationMs', value: BigInt(ms) } } } }),
        ),
      wait: (message, timeoutMs = 0) =>
        this.issue(
          Kind.MESSAGE,
          message,
          (entry) => (entry.outcome.case === 'timedOut' ? 'timeout' : completed(entry)),
          (key) => this.tell({ ...key, what: { case: 'wait', value: { message, timeoutMs: BigInt(timeoutMs) } } }),
        ),
      ask: (title) =>
        this.issue(Kind.APPROVAL, 'ask', answered, (key) =>
          this.tell({ ...key, what: { case: 'ask', value: { about: { case: 'question', value: { title } } } } }),
        ),
      start: (workflow, input, { id = '', cancelWithParent = false, actions, limits } = {}) =>
        this.issue(
          Kind.CHILD,
          workflow,
          (entry) => String(entry.outcome.value),
          (key) => {
            const grant = actions ? { grant: { capabilities: [{ actions }] } } : {};
            this.tell({
              ...key,
              what: {
                case: 'start',
                value: {
                  runId: id,
                  workflow,
                  input: wire(input),
                  cancelWithParent,
                  ...grant,
                  ...(limits && { limits }),
                },
              },
            });
          },
        ),
      result: (child) =>
        this.issue(Kind.RESULT, `${child}/result`, completed, (key) =>
          this.tell({ ...key, what: { case: 'result', value: { runId: child } } }),
        ),
      join: (children, need) =>
        this.issue(Kind.RESULT, 'join', joined, (key) =>
          this.tell({ ...key, what: { case: 'join', value: { runIds: [...children], need } } }),
        ),
      handle: (name, answer, accept) => void this.handlers.set(name, { answer, ...(accept && { accept }) }),
      emit: (name, data) =>
        this.issue(
          Kind.EMIT,
          name,
          () => undefined,
          (key) => {
            this.unrecorded++;
            this.tell({ ...key, what: { case: 'emit', value: wire(data) } });
          },
        ),
    };
  }
}

function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function wire(value: unknown): { value?: { case: 'json'; value: Uint8Array } } {
  return value === undefined ? {} : { value: { case: 'json', value: Buffer.from(JSON.stringify(value)) } };
}

function textOf(value: Value | undefined): string {
  return value?.value.case === 'json' ? Buffer.from(value.value.value).toString() : 'undefined';
}

function valueOf(value: Value | undefined): unknown {
  return value?.value.case === 'json' ? JSON.parse(textOf(value)) : undefined;
}

function completed({ outcome }: Entry): unknown {
  return outcome.case === 'completed' ? valueOf(outcome.value) : undefined;
}

function joined({ outcome }: Entry): (string | undefined)[] {
  return outcome.case === 'joined' ? outcome.value.children.map(({ end }) => end.case) : [];
}

function answered({ outcome }: Entry) {
  if (outcome.case !== 'answered') throw new Error(`no answer but ${String(outcome.case)}`);
  return { approved: outcome.value.approved, by: outcome.value.by, value: valueOf(outcome.value.value) };
}

function failureOf(error: unknown) {
  return {
    code: error instanceof RecordedError ? error.failure.code : 'error',
    message: error instanceof Error ? error.message : String(error),
    ...(error instanceof RecordedError && error.failure.details && { details: wire(error.failure.details) }),
  };
}
