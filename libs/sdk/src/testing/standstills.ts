import { WritError } from '../errors/errors.js';
import type { Key, Outcome } from '../run/record.js';
import type { VirtualClock } from './clock.js';
import type { TestBudgets } from './test-budgets.js';
import { keyOf, noTimer, type OpenCommand, type TestRun } from './test-run.js';

/** What runs stand still and go on with. */
interface Desk {
  readonly clock: VirtualClock;
  readonly budgets: TestBudgets;
  record(run: TestRun, type: string, data: object): void;
  settle(run: TestRun, key: Key, outcome: Outcome): void;
  tryAgain(run: TestRun, open: OpenCommand): void;
  activate(run: TestRun): void;
  cancel(id: string, reason: string): void;
  parks(run: TestRun): void;
}

/** Runs that a person stopped, or that wait for one: for more budget, for more time, or to try a step anew. */
export class Standstills {
  constructor(private readonly desk: Desk) {}

  pause(run: TestRun, note: string): void {
    if (run.end) throw new WritError(`run ${run.id} has ended; there is nothing to pause`, { code: 'run.ended' });
    if (!run.paused) this.#halt(run, { reason: 'requested', ...(note === '' ? {} : { note }) });
  }

  /** A person lets a run go on that was paused, and steps be tried anew that were exhausted. */
  resume(run: TestRun): void {
    const { desk } = this;
    const { id, paused } = run;
    const exhausted = [...run.open.values()].filter((open) => open.exhausted && !open.outOfBudget);
    if (run.outOfTime || (exhausted.length === 0 && outOfBudget(run).length > 0))
      throw new WritError(`run ${id} waits for more budget`, { code: 'run.budget_exhausted' });
    if (exhausted.length === 0 && !paused) throw new WritError(`run ${id} is not paused`, { code: 'run.not_paused' });
    desk.record(run, 'run.resumed.v1', {});
    run.paused = false;
    if (paused) desk.activate(run);
    for (const open of exhausted) {
      Object.assign(open, { exhausted: false, excused: open.failures, since: desk.clock.now() });
      desk.tryAgain(run, open);
    }
  }

  /** There is more budget: what waited for it goes on. */
  refilled(run: TestRun): void {
    const { desk } = this;
    if (run.outOfTime) {
      run.outOfTime = run.paused = false;
      desk.record(run, 'run.resumed.v1', { budget: true });
      this.limitTime(run);
      desk.activate(run);
    }
    for (const open of outOfBudget(run)) {
      Object.assign(open, { exhausted: false, outOfBudget: false, excused: open.failures });
      desk.tryAgain(run, open);
    }
  }

  /** Nobody grants more. */
  refused(run: TestRun): void {
    const { desk } = this;
    if (run.outOfTime) {
      run.outOfTime = run.paused = false;
      desk.activate(run);
      return desk.cancel(run.id, 'its time is over, and nobody grants more');
    }
    const error = { code: 'run.budget_exhausted', message: 'the budget is used up, and nobody grants more' };
    for (const open of outOfBudget(run)) {
      if (open.start) desk.record(run, 'run.child_refused.v1', { ...keyOf(open), error });
      else desk.record(run, 'run.step_failed.v1', { ...keyOf(open), attempt: open.failures + 1, error });
      desk.settle(run, open, { type: 'failed', error });
    }
  }

  /** A run stands still when its time is over. */
  limitTime(run: TestRun): void {
    const { clock, budgets } = this.desk;
    const deadlineMs = budgets.deadlineOf(run.id);
    if (deadlineMs === Infinity) return;
    clock.after(Math.max(0, deadlineMs - clock.now()), () => {
      if (run.end || run.paused || run.cancelReason !== undefined) return;
      if (budgets.deadlineOf(run.id) > clock.now()) return this.limitTime(run);
      this.#halt(run, { reason: 'budget' });
      run.outOfTime = true;
      budgets.timeIsOver(run.id);
    });
  }

  /** Of a run that is cancelled: steps that wait for another attempt, or for a person. */
  giveUp(run: TestRun): void {
    for (const open of [...run.open.values()]) {
      if ((open.kind !== 'step' && open.kind !== 'call') || open.name.startsWith('undo ')) continue;
      if (open.stopTimer === noTimer && !open.exhausted) continue;
      const error = { code: 'run.cancelled', message: 'the run was cancelled before the next attempt' };
      this.desk.record(run, 'run.step_failed.v1', { ...keyOf(open), attempt: open.failures + 1, error });
      this.desk.settle(run, open, { type: 'failed', error });
    }
  }

  #halt(run: TestRun, data: object): void {
    this.desk.record(run, 'run.paused.v1', data);
    run.paused = true;
    run.busy = false;
    run.executor?.drop(new WritError('the run was paused', { code: 'run.moved' }), true);
    run.executor = undefined;
    this.desk.parks(run);
  }
}

const outOfBudget = (run: TestRun) => [...run.open.values()].filter((open) => open.outOfBudget);
