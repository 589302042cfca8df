import { canonicalJson } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import type { Definition, Overlap, ScheduleEvent, ScheduleEventData, ScheduleEventType } from './schedule.events.js';
import { checkDefinition, jitterOf, nextTime } from './schedule-times.js';
import { evolve, runOf, type Due, type Schedule } from './schedule.js';

/** Commands of the aggregate `schedule`. Times are milliseconds. */
export type ScheduleCommand =
  | { type: 'create' | 'update'; definition: Definition }
  | { type: 'pause'; reason: string }
  | { type: 'resume'; reason?: string }
  | { type: 'delete' }
  | { type: 'trigger'; overlap?: Overlap }
  | { type: 'backfill'; fromMs: number; untilMs: number; overlap: 'buffer' | 'allow' }
  /** Its time may have come. */
  | { type: 'tick' }
  | { type: 'run_started'; atMs: number; run: string; attached: boolean }
  | { type: 'run_refused'; atMs: number; run: string; error: { code: string; message: string } }
  | { type: 'run_ended'; run: string; state: 'succeeded' | 'failed' | 'cancelled' };

/** Runs that one command makes due; what is left follows in the next. */
const atOnce = 20;
const mostActive = 1000;
const mostBackfills = 10;

/** Pure: the same arguments give the same events. @throws DomainError `schedule.*` */
export function decide(
  command: ScheduleCommand,
  id: string,
  schedule: Schedule | undefined,
  nowMs: number,
): ScheduleEvent[] {
  if (command.type === 'create') return create(command.definition, id, schedule, nowMs);
  if (!schedule) throw refuse('schedule.not_found', `there is no schedule ${id}`, { schedule: id });
  const plan = new Plan(id, schedule, nowMs);
  switch (command.type) {
    case 'update':
      checkDefinition(command.definition, nowMs);
      if (same(command.definition, schedule.definition)) return [];
      plan.goOn();
      plan.add('schedule.updated.v1', command.definition);
      break;
    case 'pause':
      if (schedule.paused && !schedule.paused.refused) return [];
      plan.add('schedule.paused.v1', { reason: command.reason });
      break;
    case 'resume':
      if (!schedule.paused) return [];
      plan.add('schedule.resumed.v1', command.reason === undefined ? {} : { reason: command.reason });
      break;
    case 'delete':
      return [{ type: 'schedule.deleted.v1', data: {} }];
    case 'trigger':
      plan.trigger(command.overlap ?? schedule.definition.overlap);
      break;
    case 'backfill':
      backfill(plan, command);
      break;
    case 'run_started':
    case 'run_refused':
    case 'run_ended':
      ofRun(plan, command);
      break;
    case 'tick':
  }
  plan.goOn();
  return plan.events;
}

/** When there is something to decide; Infinity for never, unless something happens to it. */
export function wakeOf(id: string, schedule: Schedule): number {
  const { buffered, active, backfills, paused, definition, afterMs } = schedule;
  if (paused) return Infinity;
  if (buffered ? active.length === 0 : backfills[0] && roomFor(backfills[0].overlap, active)) return 0;
  const next = nextTime(definition.times, afterMs);
  return next === undefined ? Infinity : next + jitterOf(definition.times, id, next);
}

function create(definition: Definition, id: string, schedule: Schedule | undefined, nowMs: number): ScheduleEvent[] {
  if (schedule && same(definition, schedule.definition)) return [];
  if (schedule) throw refuse('schedule.exists', `there is a schedule ${id} already`, { schedule: id });
  checkDefinition(definition, nowMs);
  return [{ type: 'schedule.created.v1', data: definition }];
}

function same(one: Definition, other: Definition): boolean {
  return canonicalJson(one as never) === canonicalJson(other as never);
}

function backfill(plan: Plan, { fromMs, untilMs, overlap }: Extract<ScheduleCommand, { type: 'backfill' }>): void {
  const { definition, backfills } = plan.schedule;
  const [from, until] = [new Date(fromMs).toISOString(), new Date(untilMs).toISOString()];
  if (untilMs > plan.nowMs)
    throw refuse('schedule.bad_range', `${until} is not over: a backfill is of what has passed`);
  const first = nextTime(definition.times, fromMs - 1);
  if (first === undefined || first >= untilMs)
    throw refuse('schedule.bad_range', `the schedule has no time from ${from} to before ${until}`);
  if (backfills.length >= mostBackfills)
    throw refuse('schedule.too_many', `${mostBackfills} backfills of it are under way`);
  plan.add('schedule.backfill_requested.v1', { from, until, overlap });
}

/** What became of a run that was due. What it is not waiting for, it has heard before. */
function ofRun(plan: Plan, command: Extract<ScheduleCommand, { run: string }>): void {
  const { active, recent, paused } = plan.schedule;
  const { run } = command;
  if (command.type === 'run_ended') {
    if (active.includes(run)) plan.add('schedule.run_ended.v1', { run, state: command.state });
    return;
  }
  const known = recent.find((each) => each.run === run);
  if (known ? known.state !== 'starting' : !active.includes(run)) return;
  const at = new Date(command.atMs).toISOString();
  if (command.type === 'run_started')
    return plan.add('schedule.run_started.v1', { at, run, ...(command.attached && { attached: true }) });
  const { code, message } = command.error;
  plan.add('schedule.run_refused.v1', { at, run, error: { code, message } });
  // Who it starts runs for has lost the authority to: that does not come back by itself, as what a policy says may.
  if (code.startsWith('identity.') && !paused)
    plan.add('schedule.paused.v1', { reason: `${message} (${code})`, refused: true });
}

function roomFor(overlap: Overlap, active: readonly string[]): boolean {
  return active.length === 0 || (overlap === 'allow' && active.length < mostActive);
}

/** Events as they are decided, and the schedule as they leave it. */
class Plan {
  readonly events: ScheduleEvent[] = [];

  constructor(
    readonly id: string,
    public schedule: Schedule,
    readonly nowMs: number,
  ) {}

  add<T extends ScheduleEventType>(type: T, data: ScheduleEventData<T>): void {
    this.events.push({ type, data } as ScheduleEvent);
    this.schedule = evolve(this.schedule, { type, data, timeMs: this.nowMs }) as Schedule;
  }

  /** Everything whose time has come. */
  goOn(): void {
    const { buffered, active, paused } = this.schedule;
    if (paused) return;
    if (buffered && active.length === 0) this.due(buffered);
    this.times();
    this.backfill();
  }

  /** Somebody wants a run now. Its id has milliseconds, those of times have none. */
  trigger(overlap: Overlap): void {
    const { active, buffered, recent } = this.schedule;
    if (overlap !== 'allow' && overlap !== 'cancel' && (buffered || (overlap === 'skip' && active.length > 0)))
      throw refuse('schedule.overlap', `${active[0] ?? buffered?.run ?? ''} goes on`, { runs: [...active] });
    if (overlap === 'allow' && !roomFor(overlap, active))
      throw refuse('schedule.too_many', `${active.length} of its runs go on`);
    let atMs = this.nowMs;
    while (recent.some((each) => each.atMs === atMs)) atMs++;
    this.fire({ atMs, run: runOf(this.id, atMs, true), trigger: 'trigger' }, overlap);
  }

  private times(): void {
    const { times, catchUpMs, overlap } = this.schedule.definition;
    const oldestMs = this.nowMs - catchUpMs;
    let next = nextTime(times, this.schedule.afterMs);
    if (next !== undefined && next + jitterOf(times, this.id, next) < oldestMs) {
      this.skip({ atMs: next, trigger: 'time' }, 'catch_up', oldestMs);
      next = nextTime(times, this.schedule.afterMs);
    }
    for (let n = 0; next !== undefined && n < atOnce; n++) {
      if (next + jitterOf(times, this.id, next) > this.nowMs) return;
      this.fire({ atMs: next, run: runOf(this.id, next), trigger: 'time' }, overlap);
      next = nextTime(times, next);
    }
  }

  private backfill(): void {
    const { times } = this.schedule.definition;
    for (let n = 0; n < atOnce; n++) {
      const [first] = this.schedule.backfills;
      if (!first) return;
      const next = nextTime(times, first.afterMs);
      if (next === undefined || next >= first.untilMs)
        this.add('schedule.backfilled.v1', { until: new Date(first.untilMs).toISOString() });
      else if (roomFor(first.overlap, this.schedule.active) && !this.schedule.buffered)
        this.due({ atMs: next, run: runOf(this.id, next), trigger: 'backfill' });
      else return;
    }
  }

  private fire(due: Due, overlap: Overlap): void {
    const { active, buffered } = this.schedule;
    if (roomFor(overlap, active) && (overlap === 'allow' || !buffered)) return this.due(due);
    if (overlap === 'skip' || overlap === 'allow') return this.skip(due, 'overlap');
    if (buffered && overlap === 'buffer') return this.skip(due, 'overlap');
    if (buffered) this.skip(buffered, 'replaced');
    const { run, trigger } = due;
    const cancel = overlap === 'cancel' && !buffered ? { cancel: [...active] } : {};
    this.add('schedule.buffered.v1', { at: new Date(due.atMs).toISOString(), run, trigger, ...cancel });
  }

  private due({ atMs, run, trigger }: Due): void {
    const { starts } = this.schedule.definition;
    this.add('schedule.due.v1', { at: new Date(atMs).toISOString(), run, trigger, starts });
  }

  private skip(
    { atMs, trigger }: Pick<Due, 'atMs' | 'trigger'>,
    reason: 'overlap' | 'catch_up' | 'replaced',
    untilMs?: number,
  ): void {
    const until = untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() };
    this.add('schedule.skipped.v1', { at: new Date(atMs).toISOString(), ...until, trigger, reason });
  }
}
