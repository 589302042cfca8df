import { steadyNow, type Commit, type Logger, type PartitionHandle } from '@writ/ledger';
import { schedulerActor } from '../partition/partition-owner.js';
import { TimerHeap, type Sleeper } from '../run/timer-heap.js';
import { wakeOf } from './decide-schedule.js';
import type { RunModel } from '../run/run-model.js';
import type { ScheduleModel } from './schedule-model.js';

/** Node's timers take 31 bits of milliseconds. */
const longestMs = 24 * 3_600_000;
/** What was looked at too early, or could not be decided, is looked at again. */
const againMs = 100;

interface Alarm extends Sleeper {
  readonly key: string;
}

/** The clocks of the partitions that this process owns. */
export class ScheduleClocks {
  private readonly clocks = new Map<number, ScheduleClock>();

  constructor(private readonly log: Logger) {}

  owned(handle: PartitionHandle): void {
    const clock = new ScheduleClock(handle, schedulesOf(handle), this.log);
    this.clocks.set(handle.partition, clock);
    // Not before the ledger takes commands.
    setImmediate(() => clock.look());
  }

  lost(partition: number): void {
    this.clocks.get(partition)?.stop();
    this.clocks.delete(partition);
  }

  committed({ partition }: Pick<Commit, 'partition'>): void {
    this.clocks.get(partition)?.look();
  }
}

/** The schedules of an owned partition. */
export function schedulesOf({ model }: Pick<PartitionHandle, 'model'>): ScheduleModel {
  return (model as RunModel).others as ScheduleModel;
}

/** Wakes the schedules of one partition when their time has come: one heap, one timer of Node's for the earliest. Nothing of it is state. */
class ScheduleClock {
  private readonly heap = new TimerHeap<Alarm>();
  private readonly alarms = new Map<string, Alarm>();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly handle: PartitionHandle,
    private readonly model: ScheduleModel,
    private readonly log: Logger,
  ) {}

  /** Called after each commit; cheap when no schedule has changed. */
  look(): void {
    if (this.model.changed.size === 0 || this.stopped) return;
    for (const key of this.model.changed) this.set(key, 0);
    this.model.changed.clear();
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private set(key: string, atLeastMs: number): void {
    const held = this.model.get(key);
    let alarm = this.alarms.get(key);
    if (!held) {
      if (alarm) this.heap.set(alarm, Infinity);
      this.alarms.delete(key);
      return;
    }
    if (!alarm) this.alarms.set(key, (alarm = { key, wakeMs: Infinity }));
    this.heap.set(alarm, Math.max(atLeastMs, wakeOf(held.id, held.schedule)));
  }

  private arm(): void {
    clearTimeout(this.timer);
    const next = this.heap.next();
    if (this.stopped || next === Infinity) return;
    this.timer = setTimeout(() => this.tick(), Math.min(Math.max(next - steadyNow(), 0), longestMs));
  }

  private tick(): void {
    const nowMs = steadyNow();
    for (let alarm = this.heap.take(nowMs); alarm; alarm = this.heap.take(nowMs)) void this.wake(alarm.key);
    this.arm();
  }

  private async wake(key: string): Promise<void> {
    const held = this.model.get(key);
    if (!held) return;
    const { tenant, id: subject } = held;
    try {
      const command = { type: 'tick' };
      await this.handle.execute({ tenant, aggregate: 'schedule', subject, command, actor: schedulerActor });
    } catch (error) {
      if (!this.stopped)
        this.log.warn({ err: error, schedule: subject }, 'a schedule could not be woken; trying again');
    }
    if (this.stopped) return;
    this.set(key, steadyNow() + againMs);
    this.arm();
  }
}
