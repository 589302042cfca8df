import type { Json } from '@writ/ledger/domain';
import { hasOutcome, isUnderWay } from '../run/decide-report.js';
import type { Beat } from '../run/run.commands.js';
import type { RunRecord } from '../run/run-record.js';
import { TimerHeap, type Sleeper } from '../run/timer-heap.js';
import type { BeatFacts } from './control.js';
import type { StepProgress } from './outlet.js';

/** What is known of one step that gives signs of life. */
class Lease implements Sleeper {
  wakeMs = Infinity;
  timeMs = 0;
  progress: Json | undefined;

  constructor(
    readonly run: RunRecord,
    public token: string,
    public beat: Beat,
  ) {}

  /** When its worker has been silent for too long. */
  get untilMs(): number {
    return this.beat.leaseMs > 0 ? this.timeMs + this.beat.leaseMs : Infinity;
  }
}

export interface LeaseActions {
  now(): number;
  /** The worker of this attempt was silent for longer than the step allows. */
  lost(run: RunRecord, token: string, beat: Beat): void;
}

/** The signs of life of the steps of one partition. Nothing is recorded: a new owner hears of a step with its next beat. */
export class Leases {
  private readonly runs = new WeakMap<RunRecord, Map<string, Lease>>();
  private readonly heap = new TimerHeap<Lease>();
  private timer: NodeJS.Timeout | undefined;
  private armedMs = Infinity;

  constructor(private readonly actions: LeaseActions) {}

  stop(): void {
    clearTimeout(this.timer);
    this.armedMs = -Infinity;
  }

  beat(run: RunRecord, token: string, beats: readonly Beat[]): void {
    let leases = this.runs.get(run);
    if (!leases) this.runs.set(run, (leases = new Map()));
    for (const [key, { beat }] of leases) if (hasOutcome(run, beat)) leases.delete(key);
    for (const beat of beats) if (isUnderWay(run, beat)) this.take(leases, run, token, beat);
    this.arm();
  }

  /** How far the steps of a run came, for the worker that makes their next attempts. */
  progress(run: RunRecord): StepProgress[] {
    return this.open(run).flatMap(({ beat: { name, occurrence }, progress: value }) =>
      value === undefined ? [] : [{ name, occurrence, value }],
    );
  }

  /** Its steps under way, for people. */
  facts(run: RunRecord): BeatFacts[] {
    return this.open(run)
      .filter(({ token, beat }) => token === run.live?.token && isUnderWay(run, beat))
      .map(({ beat: { kind, name, occurrence, attempt }, timeMs, progress }) => ({
        step: `${kind} ${name}/${occurrence}`,
        attempt,
        timeMs,
        ...(progress !== undefined && { progress }),
      }));
  }

  private take(leases: Map<string, Lease>, run: RunRecord, token: string, beat: Beat): void {
    const key = `${beat.occurrence} ${beat.name}`;
    const lease = leases.get(key) ?? new Lease(run, token, beat);
    leases.set(key, lease);
    lease.token = token;
    lease.beat = beat;
    lease.timeMs = this.actions.now();
    if (beat.progress !== undefined) lease.progress = beat.progress;
    // One that is woken too early looks again: beats cost the heap nothing.
    if (lease.wakeMs > lease.untilMs) this.heap.set(lease, lease.untilMs);
  }

  private open(run: RunRecord): Lease[] {
    return [...(this.runs.get(run)?.values() ?? [])].filter(({ beat }) => !hasOutcome(run, beat));
  }

  private arm(): void {
    const next = this.heap.next();
    if (next >= this.armedMs) return;
    clearTimeout(this.timer);
    this.armedMs = next;
    this.timer = setTimeout(() => this.tick(), Math.min(Math.max(next - this.actions.now(), 0), 2 ** 31 - 1)).unref();
  }

  private tick(): void {
    this.armedMs = Infinity;
    const nowMs = this.actions.now();
    for (let lease = this.heap.take(nowMs); lease; lease = this.heap.take(nowMs)) {
      const { run, token, beat } = lease;
      if (run.live?.token !== token || !isUnderWay(run, beat)) continue;
      if (lease.untilMs > nowMs) this.heap.set(lease, lease.untilMs);
      else this.actions.lost(run, token, beat);
    }
    this.arm();
  }
}
