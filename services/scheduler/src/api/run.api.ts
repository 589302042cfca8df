import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import type { Host } from '@writ/ledger';
import { derivedId, DomainError, refuse, type Json } from '@writ/ledger/domain';
import { HOST } from '@writ/platform';
import {
  RunService,
  RunState,
  type AwaitRunsRequest,
  type CancelRunRequest,
  type CountRunsRequest,
  type DeleteRunRequest,
  type GetRunHistoryRequest,
  type GetRunRequest,
  type GetRunResultRequest,
  type ReadRunResultRequest,
  type ReadRunValueRequest,
  type ListRunsRequest,
  type QueryRunRequest,
  type ReplayRunRequest,
  type PauseRunRequest,
  type PinRunRequest,
  type RestartRunRequest,
  type ResumeRunRequest,
  type SendMessageRequest,
  type SendMessagesRequest,
  type StartRunRequest,
  type StartRunsRequest,
  type UpdateRunRequest,
} from '@writ/proto/run/v1/run';
import type { SchedulerConfig } from '../config.js';
import { SCHEDULER, SCHEDULER_CONFIG } from './tokens.js';
import type { Scheduler } from '../scheduler.js';
import type { Receipt, RunCommand } from '../run/run.commands.js';
import type { Content, Difference, RunEventData } from '../run/run.events.js';
import { actorsOf } from '../run/run-record.js';
import { late, reach, viewWaitMs } from '../view/reach.js';
import { runViewName } from '../view/run-view.js';
import { positionOf, schedulerPartition } from '../partition/owners.js';
import { budgetOf } from './limits.js';
import { historyOf } from './history.js';
import { may } from './may.js';
import { awaitRuns } from './await-runs.js';
import { errorOf, valueOf, pieces, writePayload } from './payload.js';
import { Consults } from './consults.js';
import { Sends } from './sends.js';
import { Restarts } from './restarts.js';
import { Starts } from './starts.js';
import { RunLists } from './run-lists.js';
import { progressOf, runOf } from './run-message.js';
import { stateOf } from './states.js';

const longestWaitMs = 60_000;

/** Implements `writ.run.v1.RunService`; paths, validation and required capabilities stand in the proto. */
@ApiService(RunService)
export class RunApi implements ServiceImplementation<typeof RunService> {
  private readonly lists: RunLists;
  private readonly sends: Sends;
  private readonly starts: Starts;
  private readonly consults: Consults;
  private readonly restarts: Restarts;

  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(SCHEDULER_CONFIG) private readonly config: Pick<SchedulerConfig, 'WRIT_CANCEL_GRACE_MS'>,
    @Inject(HOST) private readonly host: Host,
  ) {
    this.lists = new RunLists(scheduler, host);
    this.sends = new Sends(scheduler, (...sent) => this.send(...sent));
    this.restarts = new Restarts(scheduler, (...sent) => this.send(...sent));
    this.starts = new Starts(scheduler, scheduler.log, this.restarts);
    this.consults = new Consults(scheduler, (...sent) => this.send(...sent));
  }

  async startRun(request: StartRunRequest, caller: Caller) {
    return this.starts.one(request, caller);
  }

  async startRuns({ items }: StartRunsRequest, caller: Caller) {
    return { items: await this.starts.many(items, caller) };
  }

  awaitRuns(requests: AsyncIterable<AwaitRunsRequest>, caller: Caller) {
    return awaitRuns(this.scheduler, requests, caller);
  }

  async getRun({ id, after }: GetRunRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.read', id);
    await reach(this.host, after);
    const { scheduler, host } = this;
    // The owner knows how far the run is, so that nobody reads a state that was over before they asked. Where it does not answer the view has to do.
    const asked = await scheduler.lookup.facts(tenant, id).catch((error: Error) => error);
    const facts = asked instanceof Error ? undefined : asked;
    let missing = asked instanceof Error ? asked : refuse('run.not_found', `there is no run ${id}`, { run: id });
    const last = facts?.commits[facts.commits.length - 1];
    if (last !== undefined) {
      const position = positionOf(schedulerPartition(tenant, id), last);
      if (!(await host.waitFor(runViewName, position, viewWaitMs))) missing = late(position);
    }
    let row = await scheduler.table.find(tenant, id);
    if (row?.state === 'queued' && facts?.live) row = { ...row, state: 'running' };
    if (!row) {
      await scheduler.lookup.forgotten(tenant, id);
      throw missing;
    }
    const budget = budgetOf(id, facts, row);
    const progress = (facts?.progress ?? []).map(progressOf);
    return { run: { ...runOf(row), progress, ...(budget && { budget }) } };
  }

  async listRuns(request: ListRunsRequest, caller: Caller) {
    return this.lists.list(request, caller);
  }

  async countRuns(request: CountRunsRequest, caller: Caller) {
    return this.lists.count(request, caller);
  }

  async getRunResult({ id, wait }: GetRunResultRequest, caller: Caller) {
    const { tenant, signal } = caller;
    may(caller, 'run.read', id);
    const waitMs = wait ? Number(wait.seconds) * 1000 + wait.nanos / 1e6 : 0;
    const { state, end } = await this.scheduler.lookup.end(tenant, id, Math.min(waitMs, longestWaitMs), signal);
    if (!end) return { state: stateOf(state) };
    if (end.type === 'run.failed.v1') {
      const { error } = end.data as unknown as RunEventData<'run.failed.v1'>;
      return { state: RunState.FAILED, error: errorOf(error) };
    }
    if (end.type === 'run.cancelled.v1') {
      const { reason } = end.data as unknown as RunEventData<'run.cancelled.v1'>;
      return {
        state: RunState.CANCELLED,
        error: { code: 'run.cancelled', message: `the run was cancelled: ${reason}` },
      };
    }
    const { payload, plain } = await writePayload(this.scheduler.values, tenant, end.data as Content);
    return { state: RunState.SUCCEEDED, ...(payload && { result: payload }), ...(plain && { jsonResult: plain }) };
  }

  async *readRunResult({ id, stored }: ReadRunResultRequest, caller: Caller) {
    const { tenant, signal } = caller;
    may(caller, 'run.read', id);
    const { end } = await this.scheduler.lookup.end(tenant, id, 0, signal);
    if (end?.type !== 'run.succeeded.v1') throw refuse('run.value_not_found', `${id} has no result`);
    const { values } = this.scheduler;
    const { value, blob } = end.data as Content;
    if (stored !== '') {
      if (!(await values.mentions(tenant, { value, blob }, stored)))
        throw refuse('run.value_not_found', `the result of ${id} has no ${stored}`);
      return yield* pieces(values.read(tenant, stored));
    }
    if (blob) yield* pieces(values.read(tenant, blob.hash));
    else if (value !== undefined) yield { chunk: Buffer.from(JSON.stringify(value)) };
  }

  async *readRunValue({ id, hash }: ReadRunValueRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.replay', id);
    const { events } = await this.scheduler.lookup.record(tenant, id);
    const { values } = this.scheduler;
    if (!(await values.inRecord(tenant, events, hash)))
      throw refuse('run.value_not_found', `the record of ${id} has no ${hash}`);
    yield* pieces(values.read(tenant, hash));
  }

  async sendMessage(request: SendMessageRequest, caller: Caller) {
    return this.sends.one(request, caller);
  }

  async sendMessages({ items }: SendMessagesRequest, caller: Caller) {
    return { items: await this.sends.many(items, caller) };
  }

  async queryRun(request: QueryRunRequest, caller: Caller) {
    return this.consults.query(request, caller);
  }

  async updateRun(request: UpdateRunRequest, caller: Caller) {
    return this.consults.update(request, caller);
  }

  async cancelRun({ id, reason, force }: CancelRunRequest, caller: Caller) {
    const graceMs = this.config.WRIT_CANCEL_GRACE_MS;
    may(caller, 'run.cancel', id);
    const { tenant, signal } = caller;
    const position = await this.sent(caller, id, { type: 'cancel', reason: reason || 'cancelled', force, graceMs });
    const { end } = await this.scheduler.lookup.end(tenant, id, Math.min(graceMs + viewWaitMs, longestWaitMs), signal);
    const { stopped = [], outcomeUnknown = [], undone = [] } = (end?.data ?? {}) as Partial<Receipt>;
    if (end) return { stopped, outcomeUnknown, undone, position };
    const undoing = (await this.scheduler.lookup.facts(tenant, id))?.undoing ?? [];
    return { stopped, outcomeUnknown: undoing.length > 0 ? [] : [id], undone, undoing, position };
  }

  async pauseRun({ id, reason }: PauseRunRequest, caller: Caller) {
    may(caller, 'run.cancel', id);
    const { position } = await this.send(caller, id, { type: 'pause', note: reason }, '');
    return { position };
  }

  async deleteRun({ id, reason }: DeleteRunRequest, caller: Caller) {
    may(caller, 'run.delete', id);
    return this.lists.remove(id, reason, caller);
  }

  async resumeRun({ id }: ResumeRunRequest, caller: Caller) {
    may(caller, 'run.cancel', id);
    const { position } = await this.send(caller, id, { type: 'resume' }, '');
    return { position };
  }

  async replayRun({ id }: ReplayRunRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.replay', id);
    const journal = await this.scheduler.lookup.journal(tenant, id);
    const { workflow, queue } = journal.started;
    const demand = { tenant, queue, workflow, principals: actorsOf(journal.started) };
    const report = await this.scheduler.sessions.replay(demand, { run: id, journal });
    if (!report)
      throw refuse('run.no_worker', `no worker with the workflow ${workflow} is connected to the queue ${queue}`);
    const { same, firstDifference: difference, entries, liveCalls } = report;
    const json = (side: Difference['expected']) =>
      side ? { [side.kind]: `${side.name}/${side.occurrence}`, ...(side.detail && { detail: side.detail }) } : null;
    return {
      same,
      entries,
      liveCalls,
      ...(difference && {
        firstDifference: difference.text,
        diff: difference.diff ?? '',
        expected: valueOf(json(difference.expected) as Json),
        actual: valueOf(json(difference.actual) as Json),
      }),
    };
  }

  async pinRun({ id, version }: PinRunRequest, caller: Caller) {
    may(caller, 'run.cancel', id);
    const { position } = await this.send(caller, id, { type: 'pin', version }, '');
    return { position };
  }

  async restartRun(request: RestartRunRequest, caller: Caller) {
    return this.restarts.restart(request, caller);
  }

  async getRunHistory({ id }: GetRunHistoryRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.replay', id);
    const journal = await this.scheduler.lookup.journal(tenant, id);
    return { history: await historyOf(this.scheduler.values, tenant, id, journal) };
  }

  /** The position of a cancel; of one that came too late, none. */
  private async sent(caller: Caller, run: string, command: RunCommand): Promise<string> {
    try {
      return (await this.send(caller, run, command, '')).position;
    } catch (error) {
      if (error instanceof DomainError && error.code === 'run.ended') return '';
      throw error;
    }
  }

  private async send(caller: Caller, run: string, command: RunCommand, key: string) {
    const { tenant, actor, trace, principal } = caller;
    try {
      return await this.scheduler.runs.send({
        tenant, actor, aggregate: 'run', subject: run, command,
        // The key is the caller's own: what another has sent under it is not a repeat.
        ...(key !== '' && { id: derivedId('cmd', run, command.type, principal, key) }),
        ...(trace !== undefined && { trace }),
      }); // prettier-ignore
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.not_found') throw error;
      const row = await this.scheduler.lookup.forgotten(tenant, run);
      throw row ? refuse('run.ended', `run ${run} has ${row.state}`) : error;
    }
  }
}
