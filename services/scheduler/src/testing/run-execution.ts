import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Kind,
  type Activate,
  type Consult,
  type ConsultResultSchema,
  type DivergenceSchema,
  type Entry,
  type Replay,
  type ReportSchema,
} from '@writ/proto/worker/v1/worker';
import { failureOf, RecordedError, textOf, valueOf, wire } from './run-values.js';
import {
  contextOf,
  type Command,
  type CommandPort,
  type Handler,
  type Key,
  type TestWorkflow,
} from './test-context.js';

type Report = MessageInitShape<typeof ReportSchema>;
type Divergence = MessageInitShape<typeof DivergenceSchema>;

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
export class RunExecution implements CommandPort {
  private readonly counts = new Map<string, number>();
  private readonly issued = new Map<string, Issued>();
  private readonly abort = new AbortController();
  private readonly entries: Entry[];
  private readonly inbox: Entry[] = [];
  private readonly handlers = new Map<string, Handler>();
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

  get id(): string {
    return this.task.runId;
  }

  get signal(): AbortSignal {
    return this.abort.signal;
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
        .then((what) => this.record({ ...key, what }));
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
    this.workflow(contextOf(this), valueOf(this.task.input) as never).then(
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

  next(name: string): number {
    return (this.counts.get(name) ?? 0) + 1;
  }

  handle(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }

  issue<T>(kind: Kind, name: string, read: (entry: Entry) => T, go: (key: Key, attempt: number) => void): Promise<T> {
    const occurrence = this.next(name);
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

  tell(command: Command): void {
    this.batch.push(command);
    if (!this.driving) this.flush();
  }

  record(command: Command): void {
    this.unrecorded++;
    this.tell(command);
  }

  perform(...given: Parameters<CommandPort['perform']>): void {
    void this.performed(...given);
  }

  private async performed(...[key, attempt, body, policy, keep]: Parameters<CommandPort['perform']>): Promise<void> {
    this.performing++;
    try {
      const value = await body(attempt);
      this.performing--;
      keep(value);
      this.record({ ...key, what: { case: 'completed', value: wire(value) } });
    } catch (error) {
      this.performing--;
      const retryable = !(error instanceof Error && error.name === 'Fatal');
      const failure = { attempt, error: failureOf(error), retryable, ...(policy && { policy }) };
      this.tell({ ...key, what: { case: 'failed', value: failure } });
    }
  }
}

function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
