import type { WorkflowDefinition } from '../define/workflow.js';
import { decodeBytes } from '../codec/codec.js';
import type { CountedLimits } from '../define/limits.js';
import type { LedgerEvent } from '../client/event.js';
import { WritError } from '../errors/errors.js';
import { Attempts } from '../run/attempts.js';
import type { Effects } from '../run/effects.js';
import type { RunPort } from '../run/executor.js';
import { execute } from '../run/execute.js';
import { failureOf } from '../run/failure.js';
import type { LogSink } from '../run/log.js';
import {
  keyText,
  type Bytes,
  type Command,
  type Entry,
  type Failure,
  type Key,
  type Outcome,
  type PersonAnswer,
  type RunReport,
  type Wish,
} from '../run/record.js';
import { rest } from '../run/rest.js';
import { awaitChild, joinChildren } from './children.js';
import type { VirtualClock } from './clock.js';
import { TestBudgets, type Granted } from './test-budgets.js';
import { TestConsults } from './consults.js';
import { keyOf, noTimer, opened, retryDelayMs, sameStart, TestRun, type OpenCommand } from './test-run.js';

/** What the in-process scheduler works with. */
export interface TestSchedulerOptions {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  readonly clock: VirtualClock;
  readonly effects: Effects;
  readonly log: LogSink;
  /** Every entry comes to a new coroutine that is rebuilt from the journal: finds what is not deterministic. */
  readonly alwaysReplay: boolean;
}

/** The scheduler of the worker protocol, in process and in memory, on virtual time: the same executor runs on it as on the real one. */
export class TestScheduler {
  readonly runs = new Map<string, TestRun>();
  readonly events: LedgerEvent[] = [];
  readonly #attempts = new Attempts(10_000);
  readonly #watchers = new Set<() => void>();
  #ids = 0;

  readonly #consults: TestConsults;
  readonly budgets: TestBudgets;

  constructor(private readonly options: TestSchedulerOptions) {
    this.#consults = new TestConsults({
      workflows: options.workflows,
      run: (id) => this.run(id),
      record: (run, type, data) => this.record(run, type, data),
      deliver: (run, entry) => this.#deliver(run, entry),
      settle: (run, key, outcome, recorded) => this.settle(run, key, outcome, recorded),
      now: () => options.clock.now(),
    });
    this.budgets = new TestBudgets({
      now: () => options.clock.now(),
      newApproval: () => this.newId('apr'),
      record: (run, type, data, subject = run) => this.record(this.run(run), type, data, subject),
      refilled: (run) => this.#refilled(this.run(run)),
      refused: (run) => this.#budgetRefused(this.run(run)),
    });
  }

  /** There is more budget: what waited for it goes on. */
  #refilled(run: TestRun): void {
    if (run.outOfTime) {
      run.outOfTime = run.paused = false;
      this.record(run, 'run.resumed.v1', { budget: true });
      this.#limitTime(run);
      this.#activate(run);
    }
    for (const open of [...run.open.values()].filter(({ outOfBudget }) => outOfBudget)) {
      Object.assign(open, { exhausted: false, outOfBudget: false, excused: open.failures });
      this.#tryAgain(run, open);
    }
  }

  #budgetRefused(run: TestRun): void {
    if (run.outOfTime) {
      run.outOfTime = run.paused = false;
      this.#activate(run);
      return this.cancel(run.id, 'its time is over, and nobody grants more');
    }
    const error = { code: 'run.budget_exhausted', message: 'the budget is used up, and nobody grants more' };
    for (const open of [...run.open.values()].filter(({ outOfBudget }) => outOfBudget)) {
      if (open.start) this.record(run, 'run.child_refused.v1', { ...keyOf(open), error });
      else this.record(run, 'run.step_failed.v1', { ...keyOf(open), attempt: open.failures + 1, error });
      this.settle(run, open, { type: 'failed', error });
    }
  }

  #limitTime(run: TestRun): void {
    const deadlineMs = this.budgets.deadlineOf(run.id);
    if (deadlineMs === Infinity) return;
    this.options.clock.after(Math.max(0, deadlineMs - this.options.clock.now()), () => {
      if (run.end || run.paused || run.cancelReason !== undefined) return;
      if (this.budgets.deadlineOf(run.id) > this.options.clock.now()) return this.#limitTime(run);
      this.#halt(run, { reason: 'budget' });
      run.outOfTime = true;
      this.budgets.timeIsOver(run.id);
    });
  }

  query(id: string, query: string, data: Bytes): Promise<Bytes> {
    return this.#consults.query(id, query, data);
  }

  update(id: string, update: string, data: Bytes, key: string): Promise<Bytes> {
    return this.#consults.update(id, update, data, key);
  }

  now(): number {
    return this.options.clock.now();
  }

  newId(prefix: string): string {
    return `${prefix}_test_${++this.#ids}`;
  }

  run(id: string): TestRun {
    const run = this.runs.get(id);
    if (!run) throw new WritError(`there is no run '${id}'`, { code: 'run.not_found' });
    return run;
  }

  /** @throws WritError `run.conflict` */
  start(spec: {
    id: string;
    workflow: string;
    input: Bytes;
    queue: string;
    attach: boolean;
    at?: number;
    limits?: CountedLimits;
    parent?: string;
  }): TestRun {
    const id = spec.id || this.newId('run');
    const there = this.runs.get(id);
    if (there && (spec.attach || sameStart(there, spec))) return there;
    if (there) throw new WritError(`a run '${id}' exists already, with another input`, { code: 'run.conflict' });
    if (!this.options.workflows.has(spec.workflow))
      throw new WritError(`testWrit was not given a workflow '${spec.workflow}'`, { code: 'run.no_worker' });
    this.budgets.open(id, spec.limits, spec.parent);
    const run = new TestRun({ ...spec, id, queue: spec.queue || 'default' }, this.options.clock.now());
    this.runs.set(id, run);
    this.#limitTime(run);
    this.record(run, 'run.started.v1', { workflow: spec.workflow, queue: run.queue, ...valueOf(spec.input) });
    const delayMs = (spec.at ?? 0) - this.options.clock.now();
    if (delayMs <= 0) this.#activate(run);
    else {
      run.busy = false;
      this.options.clock.after(delayMs, () => this.#activate(run));
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
    if (run.paused) this.resume(id);
    this.#deliver(run, {
      kind: 'cancel',
      name: 'cancel',
      occurrence: 1,
      timeMs: this.options.clock.now(),
      outcome: { type: 'cancel', reason },
    });
    this.#giveUp(run);
  }

  /** Steps that wait for another attempt, or for a person. */
  #giveUp(run: TestRun): void {
    for (const open of [...run.open.values()]) {
      if ((open.kind !== 'step' && open.kind !== 'call') || open.name.startsWith('undo ')) continue;
      if (open.stopTimer === noTimer && !open.exhausted) continue;
      const error = { code: 'run.cancelled', message: 'the run was cancelled before the next attempt' };
      this.record(run, 'run.step_failed.v1', { ...keyOf(open), attempt: open.failures + 1, error });
      this.settle(run, open, { type: 'failed', error });
    }
  }

  /** @returns false where no run waits for this approval */
  answer(approvalId: string, answer: Omit<PersonAnswer, 'atMs' | 'approvalId'>): boolean {
    const granted = answer.value && (decodeBytes(answer.value) as Granted);
    if (this.budgets.answer(approvalId, answer.approved, granted)) return true;
    for (const run of this.runs.values()) {
      const waiting = run.find('approval', approvalId);
      if (!waiting) continue;
      this.settle(run, waiting, {
        type: 'answered',
        answer: { ...answer, approvalId, atMs: this.options.clock.now() },
      });
      return true;
    }
    return false;
  }

  /** Forgets the coroutine of a run and rebuilds it from its journal, as after the death of its worker. */
  restart(run: TestRun): void {
    run.executor?.drop(new WritError('the run moved', { code: 'run.moved' }), true);
    if (!run.end) this.#activate(run);
  }

  /** Resolves when every run waits for time, a message, a person or another run, or has ended. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 2;) {
      await (quiet === 0 && this.#isStuck() ? new Promise((resolve) => setTimeout(resolve, 1)) : rest());
      const busy = [...this.runs.values()].some((run) => run.busy || run.asked);
      if (busy && this.options.clock.waiting > 0 && ++this.#turns > 40) break; // a step that only its time limit ends
      quiet = busy ? 0 : quiet + 1;
    }
    this.#turns = 0;
  }
  #turns = 0;
  #isStuck(): boolean {
    return this.#turns > 20;
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
      time: new Date(this.options.clock.now()),
      actor: 'agt_test',
      data,
    };
    run.events.push(event);
    this.events.push(event);
    run.wake();
    for (const watcher of this.#watchers) watcher();
  }

  #activate(run: TestRun): void {
    const definition = this.options.workflows.get(run.workflow);
    if (!definition || run.paused) return;
    run.busy = true;
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
      timers: this.options.clock,
      log: this.options.log,
      ...(this.options.alwaysReplay && { endsGeneration: () => true }),
    });
    run.executor = executor;
    void start();
  }

  #report(run: TestRun, report: RunReport): void {
    run.busy = !report.idle;
    for (const command of report.commands) this.#take(run, command);
    if (report.end) this.#end(run, report.end);
  }

  #take(run: TestRun, command: Command): void {
    const { what } = command;
    if (what.type === 'abort') return this.#aborted(run, command, what.error);
    if (what.type === 'beat') return void (what.progress && run.progress.set(keyText(command), what.progress));
    if (command.kind === 'update') return this.#consults.answered(run, command);
    if (run.open.has(keyText(command)) && what.type !== 'completed' && what.type !== 'failed') return;
    switch (what.type) {
      case 'completed':
        if (what.streamed) run.stream.settle({ ...command, attempt: what.attempt }, 'completed');
        this.record(run, 'run.step_completed.v1', { ...keyOf(command), ...valueOf(what.value) });
        return this.settle(run, command, { type: 'recorded' }, { type: 'completed', value: what.value });
      case 'failed':
        return this.#failed(run, command);
      case 'emit':
        this.record(run, 'run.emitted.v1', { ...keyOf(command), ...valueOf(what.value) });
        return this.settle(run, command, { type: 'recorded' });
      case 'loop':
        return this.#beginGeneration(run, command, what);
      case 'set':
        run.set(what.attributes);
        this.record(run, 'run.attributes_set.v1', { ...keyOf(command), attributes: what.attributes });
        return this.settle(run, command, { type: 'recorded' });
      case 'patch':
        this.record(run, 'run.patched.v1', keyOf(command));
        return this.settle(run, command, { type: 'recorded' });
      default:
        return this.#wait(run, command);
    }
  }

  /** What a loop's turns did before is in no journal any more. */
  #beginGeneration(run: TestRun, command: Command, { turn, value }: Extract<Wish, { type: 'loop' }>): void {
    this.record(run, 'run.continued.v1', { ...keyOf(command), turn, ...valueOf(value) });
    run.forgetTurns(command);
    this.settle(run, command, { type: 'recorded' }, { type: 'loop', turn, value });
  }

  /** What has come true already counts. */
  #aborted(run: TestRun, key: Key, error: Failure): void {
    if (run.journal.some((entry) => keyText(entry) === keyText(key))) return;
    this.record(run, 'run.aborted.v1', { ...keyOf(key), error: { code: error.code, message: error.message } });
    this.settle(run, key, { type: 'failed', error });
  }

  #failed(run: TestRun, command: Command): void {
    const { what } = command;
    if (what.type !== 'failed') return;
    const now = this.options.clock.now();
    const open = run.open.get(keyText(command)) ?? opened(command, now);
    open.failures = what.attempt;
    const again = what.retryable;
    const delayMs = again ? retryDelayMs(command, open, now) : undefined;
    const outOfBudget = this.budgets.awaits(run.id, what.error.code);
    const exhausted = outOfBudget || (again && delayMs === undefined && what.policy.pause === true);
    if (what.streamed) run.stream.settle({ ...command, attempt: what.attempt }, 'failed');
    this.record(run, 'run.step_failed.v1', {
      ...keyOf(command),
      attempt: what.attempt,
      error: { code: what.error.code, message: what.error.message },
      ...(exhausted ? { exhausted } : {}),
    });
    if (delayMs === undefined && !exhausted) return this.settle(run, command, { type: 'failed', error: what.error });
    run.open.set(keyText(command), Object.assign(open, { exhausted, outOfBudget }));
    if (delayMs !== undefined && !outOfBudget)
      open.stopTimer = this.options.clock.after(delayMs, () => this.#tryAgain(run, open));
  }

  pause(id: string, note: string): void {
    const run = this.run(id);
    if (run.end) throw new WritError(`run ${id} has ended; there is nothing to pause`, { code: 'run.ended' });
    if (run.paused) return;
    this.#halt(run, { reason: 'requested', ...(note === '' ? {} : { note }) });
  }

  #halt(run: TestRun, data: object): void {
    this.record(run, 'run.paused.v1', data);
    run.paused = true;
    run.busy = false;
    run.executor?.drop(new WritError('the run was paused', { code: 'run.moved' }), true);
    run.executor = undefined;
  }

  /** A person lets a run go on that was paused, and steps be tried anew that were exhausted. */
  resume(id: string): void {
    const run = this.run(id);
    const { paused } = run;
    const exhausted = [...run.open.values()].filter((open) => open.exhausted && !open.outOfBudget);
    if (run.outOfTime || (exhausted.length === 0 && [...run.open.values()].some((open) => open.outOfBudget)))
      throw new WritError(`run ${id} waits for more budget`, { code: 'run.budget_exhausted' });
    if (exhausted.length === 0 && !paused) throw new WritError(`run ${id} is not paused`, { code: 'run.not_paused' });
    this.record(run, 'run.resumed.v1', {});
    run.paused = false;
    if (paused) this.#activate(run);
    for (const open of exhausted) {
      Object.assign(open, { exhausted: false, excused: open.failures, since: this.options.clock.now() });
      this.#tryAgain(run, open);
    }
  }

  #tryAgain(run: TestRun, open: OpenCommand): void {
    if (open.start) return open.start();
    open.stopTimer = noTimer;
    open.due = true;
    const outcome = { type: 'retry', attempt: open.failures + 1 } as const;
    this.#deliver(run, { ...keyOf(open), timeMs: this.options.clock.now(), outcome });
    open.due = run.paused;
  }

  #wait(run: TestRun, command: Command): void {
    const { what } = command;
    const on =
      what.type === 'wait'
        ? what.message
        : what.type === 'ask'
          ? this.newId('apr')
          : what.type === 'approval'
            ? what.approvalId
            : what.type === 'result'
              ? what.runId
              : undefined;
    const open = { ...opened(command, this.options.clock.now()), ...(on === undefined ? {} : { on }) };
    run.open.set(keyText(command), open);
    this.record(run, 'run.waiting.v1', { ...keyOf(command), ...(on === undefined ? {} : { on }) });
    const timeoutMs = 'timeoutMs' in what ? what.timeoutMs : 0;
    if (timeoutMs > 0)
      open.stopTimer = this.options.clock.after(timeoutMs, () => this.settle(run, command, { type: 'timed_out' }));
    if (what.type === 'sleep')
      open.stopTimer = this.options.clock.after(what.durationMs, () => this.settle(run, command, { type: 'fired' }));
    if (what.type === 'sleep-until')
      open.stopTimer = this.options.clock.after(what.atMs - this.options.clock.now(), () =>
        this.settle(run, command, { type: 'fired' }),
      );
    if (what.type === 'wait') this.#takeMessage(run, open, what.message);
    if (what.type === 'ask') {
      const { title, detail, approvers } = what.question;
      this.record(
        run,
        'approval.requested.v1',
        { run: run.id, kind: 'question', title, approvers, ...(detail ? { detail: decodeBytes(detail) } : {}) },
        on,
      );
    }
    if (what.type === 'start') this.#startChild(run, command);
    if (what.type === 'result') void awaitChild(this, run, command, what.runId);
    if (what.type === 'join') void joinChildren(this, run, command, what);
  }

  #takeMessage(run: TestRun, open: OpenCommand, name: string): void {
    const at = run.messages.findIndex((message) => message.name === name);
    const [message] = at < 0 ? [] : run.messages.splice(at, 1);
    if (message) this.settle(run, open, { type: 'completed', value: message.data });
  }

  #startChild(run: TestRun, command: Command): void {
    const { what } = command;
    if (what.type !== 'start') return;
    try {
      const child = this.start({ ...what, id: what.runId, queue: what.queue || run.queue, parent: run.id });
      run.children.push(child.id);
      if (what.cancelWithParent) run.cancelledWith.push(child.id);
      this.settle(run, command, { type: 'started', runId: child.id });
    } catch (error) {
      const failure = failureOf(error);
      const open = run.open.get(keyText(command));
      if (!open || !this.budgets.awaits(run.id, failure.code))
        return this.settle(run, command, { type: 'failed', error: failure });
      this.record(run, 'run.child_deferred.v1', { ...keyOf(command), child: what.runId, error: failure });
      Object.assign(open, { exhausted: true, outOfBudget: true, start: () => this.#startChild(run, command) });
    }
  }

  /** @param recorded how the journal has it, where that is not what the worker is told */
  settle(run: TestRun, key: Key, outcome: Outcome, recorded: Outcome = outcome): void {
    if (run.end) return;
    run.close(key);
    const entry = { ...keyOf(key), timeMs: this.options.clock.now() };
    this.#deliver(run, { ...entry, outcome }, { ...entry, outcome: recorded });
  }

  #deliver(run: TestRun, entry: Entry, recorded: Entry = entry): void {
    if (entry.outcome.type !== 'retry') run.journal.push(recorded);
    if (run.paused) return;
    run.busy = true;
    if (this.options.alwaysReplay) this.restart(run);
    else run.executor?.deliver([entry]);
  }

  #end(run: TestRun, end: NonNullable<RunReport['end']>): void {
    this.budgets.ended(run.id);
    for (const child of run.cancelledWith) this.cancel(child, `its parent ${run.id} has ended`);
    if (end.type === 'diverged') {
      const { text, expected, actual } = end.divergence;
      this.record(run, 'run.paused.v1', { reason: 'diverged', difference: end.divergence });
      run.finish({
        state: 'failed',
        error: failureOf(new WritError(text, { code: 'run.diverged', details: { expected, actual } })),
      });
    } else if (end.type === 'completed') {
      this.record(run, 'run.succeeded.v1', valueOf(end.value));
      run.finish({ state: 'succeeded', value: end.value });
    } else if (end.type === 'failed') {
      const { error, receipt } = end;
      const left = receipt ? { undone: receipt.undone, outcomeUnknown: receipt.outcomeUnknown } : {};
      this.record(run, 'run.failed.v1', { error: { code: error.code, message: error.message }, ...left });
      run.finish({ state: 'failed', error, ...(receipt ? { receipt } : {}) });
    } else {
      this.record(run, 'run.cancelled.v1', { reason: run.cancelReason ?? '', ...end.receipt });
      run.finish({ state: 'cancelled', receipt: end.receipt });
    }
  }
}

const valueOf = (bytes: Bytes): { value?: unknown } =>
  bytes === undefined ? {} : { value: JSON.parse(new TextDecoder().decode(bytes)) as unknown };
