import type { RunIndex } from '../run/run-index.js';
import type { RunRecord } from '../run/run-record.js';
import { rearm } from '../run/rearm.js';

/** Runs whose timers go into one command. */
const atOnce = 500;
/** Until a timer is tried again that could not be recorded. */
const refusedMs = 60_000;
/** Node's timers take 31 bits of milliseconds. */
const longestMs = 24 * 3_600_000;

export interface TimerActions {
  /** A delay of a run is over that needs nothing recorded. */
  due(run: RunRecord, nowMs: number): void;
  /** These runs of a tenant have something to record: a sleep that is over, a timeout, a cancel that took too long. */
  fire(tenant: string, runs: string[]): Promise<void>;
  now(): number;
}

/** The clock of one partition: one heap, one timer of Node's for the earliest. */
export class PartitionTimers {
  private timer: NodeJS.Timeout | undefined;
  private armedMs = Infinity;
  private stopped = false;

  constructor(
    private readonly index: RunIndex,
    private readonly actions: TimerActions,
  ) {}

  /** Called after anything that may have changed the earliest wake-up; cheap when it did not. */
  arm(): void {
    const next = this.index.timers.next();
    if (this.stopped || next >= this.armedMs) return;
    clearTimeout(this.timer);
    this.armedMs = next;
    this.timer = setTimeout(() => this.tick(), Math.min(Math.max(next - this.actions.now(), 0), longestMs));
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private tick(): void {
    this.armedMs = Infinity;
    const nowMs = this.actions.now();
    const firing = new Map<string, RunRecord[]>();
    for (let run = this.index.timers.take(nowMs); run; run = this.index.timers.take(nowMs)) {
      if (run.ended) continue;
      this.actions.due(run, nowMs);
      if (!firesAt(run, nowMs)) {
        rearm(this.index, run, nowMs);
        continue;
      }
      const runs = firing.get(run.tenant);
      if (runs) runs.push(run);
      else firing.set(run.tenant, [run]);
    }
    for (const [tenant, runs] of firing)
      for (let from = 0; from < runs.length; from += atOnce) this.fire(tenant, runs.slice(from, from + atOnce));
    this.arm();
  }

  private fire(tenant: string, runs: RunRecord[]): void {
    const ids = runs.map(({ id }) => id);
    this.actions.fire(tenant, ids).then(
      // What was fired set its next wake-up when it was applied; a run of which nothing was due any more did not.
      () => this.again(runs),
      () => this.refused(tenant, runs),
    );
  }

  /** Together they may be too large for a commit, or one cannot be decided: the others must not wait for it, and it is tried again. */
  private refused(tenant: string, runs: RunRecord[]): void {
    if (this.stopped) return; // the partition is lost, and its timers with it
    if (runs.length > 1) {
      const half = Math.ceil(runs.length / 2);
      for (const part of [runs.slice(0, half), runs.slice(half)]) this.fire(tenant, part);
      return;
    }
    for (const run of runs) if (!run.ended) this.index.timers.set(run, this.actions.now() + refusedMs);
    this.arm();
  }

  private again(runs: RunRecord[]): void {
    for (const run of runs) if (!run.ended && run.wakeMs === Infinity) rearm(this.index, run, this.actions.now());
    this.arm();
  }
}

function firesAt(run: RunRecord, nowMs: number): boolean {
  if (run.cancel && run.cancel.deadlineMs <= nowMs) return true;
  if (run.budget && !run.cancel && !run.paused && run.budget.deadlineMs <= nowMs) return true;
  return run.opens.some(({ kind, untilMs }) => untilMs > 0 && untilMs <= nowMs && kind !== 'step' && kind !== 'call');
}
