import { decodeBytes } from '../codec/codec.js';
import { WritError } from '../errors/errors.js';
import { failureOf } from '../run/failure.js';
import {
  keyText,
  type Bytes,
  type Command,
  type Failure,
  type Key,
  type Outcome,
  type RunEnd,
  type Wish,
} from '../run/record.js';
import { awaitChild, joinChildren } from './children.js';
import type { VirtualClock } from './clock.js';
import type { TestBudgets } from './test-budgets.js';
import { keyOf, opened, retryDelayMs, type OpenCommand, type StartSpec, type TestRun } from './test-run.js';

/** What reports come to something with. */
export interface Desk {
  readonly clock: VirtualClock;
  readonly budgets: TestBudgets;
  newId(prefix: string): string;
  run(id: string): TestRun;
  start(spec: StartSpec): TestRun;
  cancel(id: string, reason: string): void;
  record(run: TestRun, type: string, data: object, subject?: string): void;
  /** @param recorded how the journal has it, where that is not what the worker is told */
  settle(run: TestRun, key: Key, outcome: Outcome, recorded?: Outcome): void;
  tryAgain(run: TestRun, open: OpenCommand): void;
  answered(run: TestRun, command: Command): void;
}

/** What executors report comes to, by the rules of the scheduler. */
export class TestReports {
  constructor(private readonly desk: Desk) {}

  take(run: TestRun, command: Command): void {
    const { desk } = this;
    const { what } = command;
    if (what.type === 'abort') return this.#aborted(run, command, what.error);
    if (what.type === 'beat') return void (what.progress && run.progress.set(keyText(command), what.progress));
    if (command.kind === 'update') return desk.answered(run, command);
    if (run.open.has(keyText(command)) && what.type !== 'completed' && what.type !== 'failed') return;
    switch (what.type) {
      case 'completed':
        if (what.streamed) run.stream.settle({ ...command, attempt: what.attempt }, 'completed');
        desk.record(run, 'run.step_completed.v1', { ...keyOf(command), ...valueOf(what.value) });
        return desk.settle(run, command, { type: 'recorded' }, { type: 'completed', value: what.value });
      case 'failed':
        return this.#failed(run, command);
      case 'emit':
        desk.record(run, 'run.emitted.v1', { ...keyOf(command), ...valueOf(what.value) });
        return desk.settle(run, command, { type: 'recorded' });
      case 'loop':
        return this.#beginGeneration(run, command, what);
      case 'set':
        run.set(what.attributes);
        desk.record(run, 'run.attributes_set.v1', { ...keyOf(command), attributes: what.attributes });
        return desk.settle(run, command, { type: 'recorded' });
      case 'patch':
        desk.record(run, 'run.patched.v1', keyOf(command));
        return desk.settle(run, command, { type: 'recorded' });
      default:
        return this.#wait(run, command);
    }
  }

  end(run: TestRun, end: RunEnd): void {
    const { desk } = this;
    desk.budgets.ended(run.id);
    for (const child of run.cancelledWith) desk.cancel(child, `its parent ${run.id} has ended`);
    if (end.type === 'diverged') {
      const { text, expected, actual } = end.divergence;
      desk.record(run, 'run.paused.v1', { reason: 'diverged', difference: end.divergence });
      run.finish({
        state: 'failed',
        error: failureOf(new WritError(text, { code: 'run.diverged', details: { expected, actual } })),
      });
    } else if (end.type === 'completed') {
      desk.record(run, 'run.succeeded.v1', valueOf(end.value));
      run.finish({ state: 'succeeded', value: end.value });
    } else if (end.type === 'failed') {
      const { error, receipt } = end;
      const left = receipt ? { undone: receipt.undone, outcomeUnknown: receipt.outcomeUnknown } : {};
      desk.record(run, 'run.failed.v1', { error: { code: error.code, message: error.message }, ...left });
      run.finish({ state: 'failed', error, ...(receipt ? { receipt } : {}) });
    } else {
      desk.record(run, 'run.cancelled.v1', { reason: run.cancelReason ?? '', ...end.receipt });
      run.finish({ state: 'cancelled', receipt: end.receipt });
    }
  }

  /** What a loop's turns did before is in no journal any more. */
  #beginGeneration(run: TestRun, command: Command, { turn, value }: Extract<Wish, { type: 'loop' }>): void {
    this.desk.record(run, 'run.continued.v1', { ...keyOf(command), turn, ...valueOf(value) });
    run.forgetTurns(command);
    this.desk.settle(run, command, { type: 'recorded' }, { type: 'loop', turn, value });
  }

  /** What has come true already counts. */
  #aborted(run: TestRun, key: Key, error: Failure): void {
    if (run.journal.some((entry) => keyText(entry) === keyText(key))) return;
    this.desk.record(run, 'run.aborted.v1', { ...keyOf(key), error: { code: error.code, message: error.message } });
    this.desk.settle(run, key, { type: 'failed', error });
  }

  #failed(run: TestRun, command: Command): void {
    const { desk } = this;
    const { what } = command;
    if (what.type !== 'failed') return;
    const now = desk.clock.now();
    const open = run.open.get(keyText(command)) ?? opened(command, now);
    open.failures = what.attempt;
    const again = what.retryable;
    const delayMs = again ? retryDelayMs(command, open, now) : undefined;
    const outOfBudget = desk.budgets.awaits(run.id, what.error.code);
    const exhausted = outOfBudget || (again && delayMs === undefined && what.policy.pause === true);
    if (what.streamed) run.stream.settle({ ...command, attempt: what.attempt }, 'failed');
    desk.record(run, 'run.step_failed.v1', {
      ...keyOf(command),
      attempt: what.attempt,
      error: { code: what.error.code, message: what.error.message },
      ...(exhausted ? { exhausted } : {}),
    });
    if (delayMs === undefined && !exhausted) return desk.settle(run, command, { type: 'failed', error: what.error });
    run.open.set(keyText(command), Object.assign(open, { exhausted, outOfBudget }));
    if (delayMs !== undefined && !outOfBudget)
      open.stopTimer = desk.clock.after(delayMs, () => desk.tryAgain(run, open));
  }

  #wait(run: TestRun, command: Command): void {
    const { desk } = this;
    const { clock } = desk;
    const { what } = command;
    const on = this.#subjectOf(what);
    const open = { ...opened(command, clock.now()), ...(on === undefined ? {} : { on }) };
    run.open.set(keyText(command), open);
    desk.record(run, 'run.waiting.v1', { ...keyOf(command), ...(on === undefined ? {} : { on }) });
    const fires = (ms: number, type: 'timed_out' | 'fired') =>
      (open.stopTimer = clock.after(ms, () => desk.settle(run, command, { type })));
    if ('timeoutMs' in what && what.timeoutMs > 0) fires(what.timeoutMs, 'timed_out');
    if (what.type === 'sleep') fires(what.durationMs, 'fired');
    if (what.type === 'sleep-until') fires(what.atMs - clock.now(), 'fired');
    if (what.type === 'wait') this.#takeMessage(run, open, what.message);
    if (what.type === 'ask') {
      const { title, detail, approvers } = what.question;
      const question = { title, approvers, ...(detail ? { detail: decodeBytes(detail) } : {}) };
      desk.record(run, 'approval.requested.v1', { run: run.id, kind: 'question', ...question }, on);
    }
    if (what.type === 'start') this.#startChild(run, command, what);
    if (what.type === 'result') void awaitChild(desk, run, command, what.runId);
    if (what.type === 'join') void joinChildren(desk, run, command, what);
  }

  /** The message, approval or child that is waited for. */
  #subjectOf(what: Command['what']): string | undefined {
    switch (what.type) {
      case 'wait':
        return what.message;
      case 'ask':
        return this.desk.newId('apr');
      case 'approval':
        return what.approvalId;
      case 'result':
        return what.runId;
      default:
        return undefined;
    }
  }

  #takeMessage(run: TestRun, open: OpenCommand, name: string): void {
    const at = run.messages.findIndex((message) => message.name === name);
    const [message] = at < 0 ? [] : run.messages.splice(at, 1);
    if (message) this.desk.settle(run, open, { type: 'completed', value: message.data });
  }

  #startChild(run: TestRun, command: Command, what: Extract<Wish, { type: 'start' }>): void {
    const { desk } = this;
    try {
      const child = desk.start({ ...what, id: what.runId, queue: what.queue || run.queue, parent: run.id });
      run.children.push(child.id);
      if (what.cancelWithParent) run.cancelledWith.push(child.id);
      desk.settle(run, command, { type: 'started', runId: child.id });
    } catch (error) {
      const failure = failureOf(error);
      const open = run.open.get(keyText(command));
      if (!open || !desk.budgets.awaits(run.id, failure.code))
        return desk.settle(run, command, { type: 'failed', error: failure });
      desk.record(run, 'run.child_deferred.v1', { ...keyOf(command), child: what.runId, error: failure });
      Object.assign(open, { exhausted: true, outOfBudget: true, start: () => this.#startChild(run, command, what) });
    }
  }
}

/** The value of an event. */
export const valueOf = (bytes: Bytes): { value?: unknown } =>
  bytes === undefined ? {} : { value: JSON.parse(new TextDecoder().decode(bytes)) as unknown };
