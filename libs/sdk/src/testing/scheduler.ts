import type { LedgerEvent } from '../client/event.js';
import { decodeBytes } from '../codec/codec.js';
import type { WorkflowDefinition } from '../define/workflow.js';
import { WritError } from '../errors/errors.js';
import { Attempts } from '../run/attempts.js';
import type { Effects } from '../run/effects.js';
import { execute } from '../run/execute.js';
import type { LogSink } from '../run/log.js';
import type { RunPort } from '../run/outbox.js';
import type { Bytes, Command, Entry, Key, Outcome, PersonAnswer, RunEnd, RunReport } from '../run/record.js';
import { rest } from '../run/rest.js';
import type { VirtualClock } from './clock.js';
import { TestConsults } from './consults.js';
import { TestReports, valueOf } from './reports.js';
import { Standstills } from './standstills.js';
import { TestQueues, type QueueLimits } from './test-queues.js';
import { TestBudgets, type Granted } from './test-budgets.js';
import { keyOf, noTimer, sameStart, TestRun, type OpenCommand, type StartSpec } from './test-run.js';

/** What the in-process scheduler works with. */
export interface TestSchedulerOptions {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  readonly clock: VirtualClock;
  readonly effects: Effects;
  readonly log: LogSink;
  /** Every entry comes to a new coroutine that is rebuilt from the journal: finds what is not deterministic. */
  readonly alwaysReplay: boolean;
  readonly queues: Readonly<Record<string, QueueLimits>>;
}

/** The scheduler of the worker protocol, in process and in memory, on virtual time: the same executor runs on it as on the real one. */
export class TestScheduler {
  readonly runs = new Map<string, TestRun>();
  readonly events: LedgerEvent[] = [];
  readonly clock: VirtualClock;
  readonly budgets: TestBudgets;
  readonly #consults: TestConsults;
  readonly #reports: TestReports;
  readonly #standstills: Standstills;
  readonly #queues: TestQueues;
  readonly #attempts = new Attempts(10_000);
  readonly #watchers = new Set<() => void>();
  #ids = 0;
  #turns = 0;

  constructor(private readonly options: TestSchedulerOptions) {
    this.clock = options.clock;
    this.#consults = new TestConsults({
      workflows: options.workflows,
      run: (id) => this.run(id),
      record: (run, type, data) => this.record(run, type, data),
      deliver: (run, entry) => this.#deliver(run, entry),
      settle: (run, key, outcome, recorded) => this.settle(run, key, outcome, recorded),
      now: () => this.clock.now(),
    });
    this.budgets = new TestBudgets({
      now: () => this.clock.now(),
      newApproval: () => this.newId('apr'),
      record: (run, type, data, subject = run) => this.record(this.run(run), type, data, subject),
      refilled: (run) => this.#standstills.refilled(this.run(run)),
      refused: (run) => this.#standstills.refused(this.run(run)),
    });
    this.#reports = new TestReports(this);
    this.#standstills = new Standstills(this);
    this.#queues = new TestQueues(options.queues, this.clock, (run) =>
      run.executor ? this.#goOn(run) : this.activate(run),
    );
  }

  now(): number {
    return this.clock.now();
  }

  newId(prefix: string): string {
    return `${prefix}_test_${++this.#ids}`;
  }

  run(id: string): TestRun {
    const run = this.runs.get(id);
    if (!run) throw new WritError(`there is no run '${id}'`, { code: 'run.not_found' });
    return run;
  }

  /** @throws WritError `run.conflict`, `run.no_worker`, `run.budget_*`, `queue.*` */
  start(spec: StartSpec): TestRun {
    const id = spec.id || this.newId('run');
    const there = this.runs.get(id);
    if (there && (spec.attach || sameStart(there, spec))) return there;
    if (there) throw new WritError(`a run '${id}' exists already, with another input`, { code: 'run.conflict' });
    if (!this.options.workflows.has(spec.workflow))
      throw new WritError(`testWrit was not given a workflow '${spec.workflow}'`, { code: 'run.no_worker' });
    const run = new TestRun({ ...spec, id, queue: spec.queue || 'default' }, this.clock.now());
    this.#queues.enter(run, spec);
    this.budgets.open(id, spec.limits, spec.parent);
    this.runs.set(id, run);
    this.#standstills.limitTime(run);
    this.record(run, 'run.started.v1', { workflow: spec.workflow, queue: run.queue, ...valueOf(spec.input) });
    const delayMs = (spec.at ?? 0) - this.clock.now();
    if (delayMs <= 0) this.activate(run);
    else {
      run.busy = false;
      this.clock.after(delayMs, () => this.activate(run));
    }
    return run;
  }

  send(id: string, name: string, data: Bytes, key?: string): void {
    const run = this.run(id);
    if (key !== undefined && run.keys.has(key)) return;
    if (run.end) throw new WritError(`run ${id} has ended; nobody will take '${name}'`, { code: 'run.ended' });
    if (key !== undefined) run.keys.add(key);
    this.record(run, 'run.message_received.v1', { message: name, ...valueOf(data) });
    const waiting = run.find('message', name);
    if (waiting) this.settle(run, waiting, { type: 'completed', value: data });
    else run.messages.push({ name, data });
  }

  cancel(id: string, reason: string): void {
    const run = this.run(id);
    if (run.end || run.cancelReason !== undefined) return;
    run.cancelReason = reason;
    this.record(run, 'run.cancel_requested.v1', { reason });
    for (const child of run.children) this.cancel(child, `its parent ${id} was cancelled`);
    if (run.attempt === 0) return this.#end(run, { type: 'cancelled', receipt: nothing });
    if (run.paused) this.resume(id);
    this.#deliver(run, {
      kind: 'cancel',
      name: 'cancel',
      occurrence: 1,
      timeMs: this.clock.now(),
      outcome: { type: 'cancel', reason },
    });
    this.#standstills.giveUp(run);
  }

  query(id: string, query: string, data: Bytes): Promise<Bytes> {
    return this.#consults.query(id, query, data);
  }

  update(id: string, update: string, data: Bytes, key: string): Promise<Bytes> {
    return this.#consults.update(id, update, data, key);
  }

  answered(run: TestRun, command: Command): void {
    this.#consults.answered(run, command);
  }

  pause(id: string, note: string): void {
    this.#standstills.pause(this.run(id), note);
  }

  resume(id: string): void {
    this.#standstills.resume(this.run(id));
  }

  /** @returns false where no run waits for this approval */
  answer(approvalId: string, answer: Omit<PersonAnswer, 'atMs' | 'approvalId'>): boolean {
    const granted = answer.value && (decodeBytes(answer.value) as Granted);
    if (this.budgets.answer(approvalId, answer.approved, granted)) return true;
    for (const run of this.runs.values()) {
      const waiting = run.find('approval', approvalId);
      if (!waiting) continue;
      this.settle(run, waiting, { type: 'answered', answer: { ...answer, approvalId, atMs: this.clock.now() } });
      return true;
    }
    return false;
  }

  /** Forgets the coroutine of a run and rebuilds it from its journal, as after the death of its worker. */
  restart(run: TestRun): void {
    run.executor?.drop(new WritError('the run moved', { code: 'run.moved' }), true);
    if (!run.end) this.activate(run);
  }

  /** Resolves when every run waits for time, a message, a person or another run, or has ended. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 2;) {
      await (quiet === 0 && this.#turns > 20 ? new Promise((resolve) => setTimeout(resolve, 1)) : rest());
      const busy = [...this.runs.values()].some((run) => run.busy || run.asked);
      if (busy && this.clock.waiting > 0 && ++this.#turns > 40) break; // a step that only its time limit ends
      quiet = busy ? 0 : quiet + 1;
    }
    this.#turns = 0;
  }

  onEvent(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  record(run: TestRun, type: string, data: object, subject = run.id): void {
    const event = {
      id: this.newId('evt'),
      type,
      subject,
      time: new Date(this.clock.now()),
      actor: 'agt_test',
      data,
    };
    run.events.push(event);
    this.events.push(event);
    run.wake();
    for (const watcher of this.#watchers) watcher();
  }

  /** Gives a run to an executor. */
  activate(run: TestRun): void {
    const definition = this.options.workflows.get(run.workflow);
    if (!definition || run.paused || run.end) return;
    run.busy = this.#queues.lets(run);
    if (!run.busy) return;
    run.undelivered.length = 0; // the journal has it
    const attempt = `${run.id}/${++run.attempt}`;
    const { life, pending } = run;
    const activation = { ...run, attempt, runId: run.id, life, journal: [...run.journal], pending };
    const port: RunPort = {
      report: (report) => run.executor === executor && this.#report(run, report),
      write: (step, chunks, written) => {
        run.stream.write(step, chunks);
        run.wake();
        written();
      },
    };
    const { executor, start } = execute(definition, activation, port, {
      effects: this.options.effects,
      attempts: this.#attempts,
      timers: this.clock,
      log: this.options.log,
      ...(this.options.alwaysReplay && { endsGeneration: () => true }),
    });
    run.executor = executor;
    void start();
  }

  #report(run: TestRun, report: RunReport): void {
    run.busy = !report.idle;
    for (const command of report.commands) this.#reports.take(run, command);
    if (report.end) this.#end(run, report.end);
    else if (!run.busy) this.parks(run);
  }

  /** A run that only waits takes no slot. */
  parks(run: TestRun): void {
    this.#queues.parks(run);
  }

  #end(run: TestRun, end: RunEnd): void {
    this.#reports.end(run, end);
    this.#queues.ended(run);
  }

  /** The next attempt of a step is to be made, or the start of a child. */
  tryAgain(run: TestRun, open: OpenCommand): void {
    if (open.start) return open.start();
    open.stopTimer = noTimer;
    open.due = true;
    const outcome = { type: 'retry', attempt: open.failures + 1 } as const;
    this.#deliver(run, { ...keyOf(open), timeMs: this.clock.now(), outcome });
    open.due = run.paused || run.undelivered.length > 0;
  }

  /** @param recorded how the journal has it, where that is not what the worker is told */
  settle(run: TestRun, key: Key, outcome: Outcome, recorded: Outcome = outcome): void {
    if (run.end) return;
    run.close(key);
    const entry = { ...keyOf(key), timeMs: this.clock.now() };
    this.#deliver(run, { ...entry, outcome }, { ...entry, outcome: recorded });
  }

  #deliver(run: TestRun, entry: Entry, recorded: Entry = entry): void {
    if (entry.outcome.type !== 'retry') run.journal.push(recorded);
    if (run.paused) return;
    run.undelivered.push(entry);
    if (this.#queues.lets(run)) this.#goOn(run);
  }

  #goOn(run: TestRun): void {
    const entries = run.undelivered.splice(0);
    run.busy = true;
    if (this.options.alwaysReplay) this.restart(run);
    else run.executor?.deliver(entries);
  }
}

const nothing = { stopped: [], undone: [], outcomeUnknown: [] };
