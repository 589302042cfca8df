import { setTimeout as pause } from 'node:timers/promises';
import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { isRunId, principalOf } from '@writ/enforcement';
import { steadyNow, type Host, type Ledger } from '@writ/ledger';
import { derivedId, newId, refuse } from '@writ/ledger/domain';
import { HOST, LEDGER } from '@writ/platform';
import {
  ScheduleService,
  type BackfillScheduleRequest,
  type CreateScheduleRequest,
  type DeleteScheduleRequest,
  type GetScheduleRequest,
  type ListSchedulesRequest,
  type PauseScheduleRequest,
  type ResumeScheduleRequest,
  type ScheduleDefinition,
  type TriggerScheduleRequest,
  type UpdateScheduleRequest,
} from '@writ/proto/schedule/v1/schedule';
import { may, maySee } from '../api/may.js';
import { readPayload } from '../api/payload.js';
import { startAs } from '../api/start-as.js';
import { SCHEDULER } from '../api/tokens.js';
import { positionOf, schedulerPartition } from '../partition/owners.js';
import type { Scheduler } from '../scheduler.js';
import { reach, viewWaitMs } from '../view/reach.js';
import type { ScheduleCommand } from './decide-schedule.js';
import type { Definition, Overlap } from './schedule.events.js';
import { definitionOf, messageOf, nextOf, yearOf } from './schedule.message.js';

const lookAgainMs = 25;

/** Implements `writ.schedule.v1.ScheduleService`. The resource of `schedule.read` and `schedule.write` is the schedule. */
@ApiService(ScheduleService)
export class ScheduleApi implements ServiceImplementation<typeof ScheduleService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(HOST) private readonly host: Host,
  ) {}

  async createSchedule({ id: chosen, definition: given }: CreateScheduleRequest, caller: Caller) {
    const id = chosen || newId('sch');
    may(caller, 'schedule.write', id);
    // The ids of its runs are made of its own, and a colon.
    if (!isRunId(id) || id.includes(':'))
      throw refuse(
        'schedule.bad_definition',
        `'${id}' cannot be the id of a schedule: letters, digits and . - _ only, and no prefix of another kind (agt_, …)`,
      );
    const definition = await this.read(given, caller);
    const { position } = await this.send(caller, id, { type: 'create', definition });
    return { id, nextTimes: nextOf(definition.times, steadyNow()), position };
  }

  async updateSchedule({ id, definition: given }: UpdateScheduleRequest, caller: Caller) {
    may(caller, 'schedule.write', id);
    const definition = await this.read(given, caller);
    const { position } = await this.send(caller, id, { type: 'update', definition });
    return { nextTimes: nextOf(definition.times, steadyNow()), position };
  }

  async getSchedule({ id, after }: GetScheduleRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'schedule.read', id);
    // Up to what its partition has recorded, so that nobody reads a state that was over before they asked.
    const partition = schedulerPartition(tenant, id);
    await reach(this.host, after || positionOf(partition, await this.ledger.last('scheduler', partition)));
    const row = await this.scheduler.schedules.find(tenant, id);
    if (!row) throw refuse('schedule.not_found', `there is no schedule ${id}`, { schedule: id });
    return { schedule: messageOf(row, steadyNow()) };
  }

  async listSchedules({ workflow, pageSize, pageToken, after }: ListSchedulesRequest, caller: Caller) {
    await reach(this.host, after);
    const limit = pageSize || 50;
    const rows = await this.scheduler.schedules.list(caller.tenant, workflow, limit + 1, pageToken);
    const page = rows.slice(0, limit);
    const seen = page.filter(({ id }) => maySee(caller, 'schedule.read', id));
    const nowMs = steadyNow();
    return {
      schedules: seen.map((row) => messageOf(row, nowMs)),
      nextPageToken: rows.length > limit ? (page.at(-1)?.id ?? '') : '',
    };
  }

  async pauseSchedule({ id, reason }: PauseScheduleRequest, caller: Caller) {
    return this.change(caller, id, { type: 'pause', reason });
  }

  async resumeSchedule({ id, reason }: ResumeScheduleRequest, caller: Caller) {
    return this.change(caller, id, { type: 'resume', ...(reason !== '' && { reason }) });
  }

  async triggerSchedule({ id, overlap, idempotencyKey: key }: TriggerScheduleRequest, caller: Caller) {
    may(caller, 'schedule.write', id);
    const command = { type: 'trigger' as const, ...(overlap !== '' && { overlap: overlap as Overlap }) };
    const { position, events } = await this.send(caller, id, command, key);
    const made = events.find(({ type }) => type === 'schedule.due.v1' || type === 'schedule.buffered.v1');
    const { run = '' } = (made?.data ?? {}) as { run?: string };
    if (made?.type === 'schedule.due.v1') await this.startedWithin(caller, id, run, viewWaitMs);
    return { run, position };
  }

  async backfillSchedule({ id, startTime, endTime, overlap }: BackfillScheduleRequest, caller: Caller) {
    const fromMs = startTime ? yearOf('start_time', startTime) : 0;
    const untilMs = endTime ? yearOf('end_time', endTime) : 0;
    return this.change(caller, id, {
      type: 'backfill',
      fromMs,
      untilMs,
      overlap: overlap === 'allow' ? 'allow' : 'buffer',
    });
  }

  async deleteSchedule({ id }: DeleteScheduleRequest, caller: Caller) {
    return this.change(caller, id, { type: 'delete' });
  }

  /** Who defines a schedule must be allowed to start its run themselves, now. */
  private async read(given: ScheduleDefinition | undefined, caller: Caller): Promise<Definition> {
    if (!given) throw refuse('schedule.bad_definition', 'there is no definition');
    const { workflow, queue, agent, grant, input, jsonInput } = given;
    may(caller, 'run.start', workflow);
    if (caller.run !== undefined)
      throw refuse('schedule.no_authority_of_its_own', `the token is one of run ${caller.run}`, { run: caller.run });
    const as = startAs({ agent, grant, parent: '' }, caller);
    const content = await readPayload(this.scheduler.values, caller.tenant, input, jsonInput);
    const wanted = { workflow, queue: queue || 'default', input: content };
    this.scheduler.startPolicy.permit({ tenant: caller.tenant, principal: principalOf(caller), ...wanted });
    return definitionOf(given, content, as, caller);
  }

  /** Whoever wanted a run now wants to look at it. @throws DomainError what its start was refused with */
  private async startedWithin({ tenant, signal }: Caller, id: string, run: string, waitMs: number): Promise<void> {
    for (const deadline = Date.now() + waitMs; Date.now() < deadline && !signal.aborted; await pause(lookAgainMs)) {
      const row = await this.scheduler.schedules.find(tenant, id);
      const { state, error } = row?.schedule.recent.find((each) => each.run === run) ?? {};
      if (error) throw refuse(error.code, error.message, { schedule: id, run });
      if (state !== undefined && state !== 'starting') return;
    }
  }

  private async change(caller: Caller, id: string, command: ScheduleCommand): Promise<{ position: string }> {
    may(caller, 'schedule.write', id);
    const { position } = await this.send(caller, id, command);
    return { position };
  }

  private send({ tenant, actor, principal, trace }: Caller, id: string, command: ScheduleCommand, key = '') {
    return this.scheduler.runs.send({
      tenant, actor, aggregate: 'schedule', subject: id, command,
      // The key is the caller's own: what another has sent under it is not a repeat.
      ...(key !== '' && { id: derivedId('cmd', id, command.type, principal, key) }),
      ...(trace !== undefined && { trace }),
    }); // prettier-ignore
  }
}
