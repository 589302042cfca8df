import { principalOf } from '@writ/enforcement';
import type { CommandClient } from '@writ/ledger';
import { derivedId, DomainError, type LedgerEvent } from '@writ/ledger/domain';
import type { StartPolicy } from '../outside/start-policy.js';
import type { RunLookup } from '../run/run-lookup.js';
import type { RunStarter } from '../run/run-starter.js';
import type { ScheduleCommand } from './decide-schedule.js';
import type { ScheduleEventData } from './schedule.events.js';

/** In the list of those who are told of a run's end a schedule begins with this, which no run's id can. */
export const scheduleMark = 'schedule/';

const graceMs = 30_000;

/** Events of schedules that something follows. */
export const scheduleReactions = ['schedule.due.v1', 'schedule.buffered.v1'] as const;

export interface ScheduleReactionParts {
  /** To the scheduler's own partitions. */
  runs: CommandClient;
  starter: RunStarter;
  startPolicy: StartPolicy;
  lookup: RunLookup;
}

/** What follows the events of schedules. A repeat is harmless: the run of a time has one id, and the commands ids that derive from the event's. */
export class ScheduleReactions {
  constructor(private readonly parts: ScheduleReactionParts) {}

  async handle(event: LedgerEvent): Promise<void> {
    if (event.type === 'schedule.due.v1') return this.start(event, event.data as never);
    const { cancel = [], run } = event.data as ScheduleEventData<'schedule.buffered.v1'>;
    await Promise.all(cancel.map((each) => this.cancel(event, each, `${run} takes its place`)));
  }

  /** A run of a schedule has ended. @param because the event that this is a reaction to */
  async ended(end: LedgerEvent, schedule: string, because = end): Promise<void> {
    const [, state] = end.type.split('.') as [string, 'succeeded' | 'failed' | 'cancelled'];
    await this.tell(because, schedule, { type: 'run_ended', run: end.subject, state }, `told ${schedule}`);
  }

  private async start(event: LedgerEvent, { at, run, starts }: ScheduleEventData<'schedule.due.v1'>): Promise<void> {
    const { tenant, subject: schedule, id: cause, trace } = event;
    const { by, value, blob, workflow, queue, agent, version, pinned, key, priority, onBehalfOf, grant } = starts;
    const input = blob ? { blob } : value === undefined ? {} : { value };
    const about = { atMs: Date.parse(at), run };
    try {
      const caller = { ...by, tenant, actor: by, grant: [], tokenId: '', rawToken: '' };
      const principal = principalOf(caller);
      this.parts.startPolicy.permit({ tenant, principal, workflow, queue, input });
      const { attached } = await this.parts.starter.start({
        tenant, actor: by, id: run, chosen: true, workflow, input, queue, agent, depth: 0, cause,
        watchedBy: `${scheduleMark}${schedule}`,
        ...(version !== undefined && { version }),
        ...(pinned && { pinned }),
        ...(key !== undefined && { key }),
        ...(priority !== undefined && { priority }),
        ...(onBehalfOf && { onBehalfOf }),
        ...(grant && { grant: grant as [] }),
        ...(trace !== undefined && { trace }),
      }); // prettier-ignore
      await this.tell(event, schedule, { type: 'run_started', ...about, attached }, 'started');
      if (attached) await this.alreadyEnded(event, schedule, run);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code.startsWith('ledger.') || error.code === 'policy.unavailable')
        throw error;
      const { code, message } = error;
      await this.tell(event, schedule, { type: 'run_refused', ...about, error: { code, message } }, 'refused');
    }
  }

  /** A run that was there may have told its end before the schedule asked for it. */
  private async alreadyEnded(event: LedgerEvent, schedule: string, run: string): Promise<void> {
    const { end } = await this.parts.lookup.end(event.tenant, run, 0, AbortSignal.timeout(5000));
    if (end) await this.ended(end, schedule, event);
  }

  private async cancel(event: LedgerEvent, run: string, reason: string): Promise<void> {
    const { tenant, actor, id: cause } = event;
    const command = { type: 'cancel' as const, reason, force: false, graceMs };
    const id = derivedId('cmd', cause, `cancel ${run}`);
    await gone(() => this.parts.runs.send({ tenant, actor, aggregate: 'run', subject: run, command, id, cause }));
  }

  private async tell(event: LedgerEvent, schedule: string, command: ScheduleCommand, step: string): Promise<void> {
    const { tenant, actor, id: cause } = event;
    const id = derivedId('cmd', cause, step);
    await gone(() =>
      this.parts.runs.send({ tenant, actor, aggregate: 'schedule', subject: schedule, command, id, cause }),
    );
  }
}

/** To what may be gone: then there is nobody to tell. */
async function gone(send: () => Promise<unknown>): Promise<void> {
  try {
    await send();
  } catch (error) {
    const codes = ['schedule.not_found', 'run.not_found', 'run.ended'];
    if (!(error instanceof DomainError) || !codes.includes(error.code)) throw error;
  }
}
