import {
  fnv1a32,
  type Command,
  type EventDraft,
  type Json,
  type LedgerEvent,
  type PartitionModel,
} from '@writ/ledger/domain';
import { decide, type ScheduleCommand } from './decide-schedule.js';
import { evolve, type Schedule } from './schedule.js';

/** Raise it when the shape of a schedule's state, or what `evolve` makes of events, changes. */
const version = 1;

/** A schedule and whose it is. */
export interface Held {
  readonly tenant: string;
  readonly id: string;
  readonly schedule: Schedule;
}

/** The schedules of one partition. What is not about schedules goes to the model behind it. */
export class ScheduleModel implements PartitionModel {
  readonly version: number;
  /** Keys of schedules that are not what they were when the clock looked last. */
  readonly changed = new Set<string>();
  private readonly held = new Map<string, Held>();

  /** @param others aggregates of the same partition that are neither runs nor schedules */
  constructor(readonly others: PartitionModel) {
    this.version = fnv1a32(`${version} ${others.version}`);
  }

  get(key: string): Held | undefined {
    return this.held.get(key);
  }

  all(): Iterable<[key: string, held: Held]> {
    return this.held;
  }

  decide(command: Command): readonly EventDraft[] {
    if (command.aggregate !== 'schedule') return this.others.decide(command);
    const { tenant, subject, time } = command;
    const schedule = this.held.get(`${tenant}/${subject}`)?.schedule;
    return decide(command.command as ScheduleCommand, subject, schedule, Date.parse(time));
  }

  evolve(event: LedgerEvent, at: { commit: number; index: number }): void {
    if (!event.type.startsWith('schedule.')) return this.others.evolve(event, at);
    const { tenant, subject: id, type, data, time } = event;
    const key = `${tenant}/${id}`;
    const schedule = evolve(this.held.get(key)?.schedule, { type, data, timeMs: Date.parse(time) });
    if (schedule) this.held.set(key, { tenant, id, schedule });
    else this.held.delete(key);
    this.changed.add(key);
  }

  snapshot(): Json {
    return { schedules: [...this.held.values()] as unknown as Json, others: this.others.snapshot() };
  }

  restore(snapshot: Json): void {
    const { schedules, others } = snapshot as { schedules: Json; others: Json };
    for (const each of schedules as unknown as Held[]) {
      this.held.set(`${each.tenant}/${each.id}`, each);
      this.changed.add(`${each.tenant}/${each.id}`);
    }
    this.others.restore(others);
  }
}
