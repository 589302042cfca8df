import { timestampFromMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { Inject } from '@nestjs/common';
import { isRunId, principalOf } from '@writ/enforcement';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import type { Host } from '@writ/ledger';
import { derivedId, DomainError, newId, refuse, type Json } from '@writ/ledger/domain';
import { HOST, viewReaches } from '@writ/platform';
import {
  RunService,
  RunState,
  type CancelRunRequest,
  type GetRunRequest,
  type GetRunResultRequest,
  type ReadRunResultRequest,
  type ListRunsRequest,
  type ReplayRunRequest,
  type ResumeRunRequest,
  type SendMessageRequest,
  type StartRunRequest,
} from '@writ/proto/run/v1/run';
import type { SchedulerConfig } from '../config.js';
import { SCHEDULER, SCHEDULER_CONFIG } from './tokens.js';
import type { Scheduler } from '../scheduler.js';
import type { RunCommand } from '../run/run.commands.js';
import type { Content, Difference, RunEventData } from '../run/run.events.js';
import { actorsOf } from '../run/run-record.js';
import { readFilter, pageToken, readPageToken } from '../view/run-filter.js';
import { runViewName, type RunRow } from '../view/run-view.js';
import type { BeatFacts } from '../partition/control.js';
import { positionOf, schedulerPartition } from '../partition/owners.js';
import { may, maySee } from './may.js';
import { errorOf, readPayload, valueOf, pieces, writePayload } from './payload.js';
import { startAs } from './start-as.js';

const states: Record<string, RunState> = {
  queued: RunState.QUEUED,
  running: RunState.RUNNING,
  waiting: RunState.WAITING,
  succeeded: RunState.SUCCEEDED,
  failed: RunState.FAILED,
  cancelled: RunState.CANCELLED,
};
const longestWaitMs = 60_000;
const viewWaitMs = 5_000;

/** Implements `writ.run.v1.RunService`; paths, validation and required capabilities stand in the proto. */
@ApiService(RunService)
export class RunApi implements ServiceImplementation<typeof RunService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(SCHEDULER_CONFIG) private readonly config: Pick<SchedulerConfig, 'WRIT_CANCEL_GRACE_MS'>,
    @Inject(HOST) private readonly host: Host,
  ) {}

  async startRun(request: StartRunRequest, caller: Caller) {
    const { workflow, id, queue, version } = request;
    may(caller, 'run.start', workflow);
    if (id !== '' && !isRunId(id))
      throw refuse(
        'run.bad_input',
        `'${id}' cannot be the id of a run: letters, digits and . : - _ only, and no prefix of another kind (agt_, psn_, …)`,
      );
    const input = await readPayload(this.scheduler.values, caller.tenant, request.input, request.jsonInput);
    const run = id || newId('run');
    const as = startAs(request, caller);
    await this.permit(caller, run, { workflow, queue: queue || 'default', input });
    const parent = as.parent === undefined ? undefined : await this.scheduler.lookup.facts(caller.tenant, as.parent);
    const { attached, position } = await this.scheduler.starter.start({
      tenant: caller.tenant,
      actor: caller.actor,
      id: run,
      chosen: id !== '',
      workflow,
      input,
      queue: queue || 'default',
      ...(version !== '' && { version }),
      ...as,
      ...(parent && { depth: parent.depth + 1 }),
      ...(request.startTime && { notBeforeMs: msOf(request.startTime) }),
      ...(request.onConflict === 'attach' && { attach: true }),
      ...(caller.trace !== undefined && { trace: caller.trace }),
    });
    return { id: run, attached, position };
  }

  /** Asks the policies; what they refuse is recorded. @throws DomainError `policy.*` */
  private async permit(caller: Caller, run: string, start: { workflow: string; queue: string; input: Content }) {
    const { startPolicy, enforcement } = this.scheduler;
    try {
      startPolicy.permit({ tenant: caller.tenant, principal: principalOf(caller), ...start });
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'policy.unavailable')
        await enforcement?.recordRefusal(caller, run, {
          code: error.code,
          detail: error.message,
          action: 'run.start',
          resource: { type: 'Workflow', id: start.workflow },
        });
      throw error;
    }
  }

  async getRun({ id, after }: GetRunRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'run.read', id);
    await this.reach(after);
    const { scheduler, host } = this;
    // The owner knows how far the run is, so that nobody reads a state that was over before they asked.
    const facts = await scheduler.lookup.facts(tenant, id).catch(() => undefined);
    const last = facts?.commits[facts.commits.length - 1];
    if (last !== undefined)
      await host.waitFor(runViewName, positionOf(schedulerPartition(tenant, id), last), viewWaitMs);
    let row = await scheduler.table.find(tenant, id);
    if (row?.state === 'queued' && facts?.live) row = { ...row, state: 'running' };
    if (!row) throw refuse('run.not_found', `there is no run ${id}`, { run: id });
    return { run: { ...runOf(row), progress: (facts?.progress ?? []).map(progressOf) } };
  }

  async listRuns({ filter, pageSize, pageToken: token, after }: ListRunsRequest, caller: Caller) {
    const { tenant } = caller;
    await this.reach(after);
    await this.catchUp();
    const limit = pageSize || 50;
    const rows = await this.scheduler.table.list(tenant, readFilter(filter), limit + 1, readPageToken(token));
    const page = rows.slice(0, limit);
    const last = page[page.length - 1];
    const seen = page.filter(({ id }) => maySee(caller, 'run.read', id));
    return { runs: seen.map(runOf), nextPageToken: rows.length > limit && last ? pageToken(last) : '' };
  }

  async getRunResult({ id, wait }: GetRunResultRequest, caller: Caller) {
    const { tenant, signal } = caller;
    may(caller, 'run.read', id);
    const waitMs = wait ? Number(wait.seconds) * 1000 + wait.nanos / 1e6 : 0;
    const { state, end } = await this.scheduler.lookup.end(tenant, id, Math.min(waitMs, longestWaitMs), signal);
    if (!end) return { state: states[state] ?? RunState.UNSPECIFIED };
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

  async *readRunResult({ id }: ReadRunResultRequest, caller: Caller) {
    const { tenant, signal } = caller;
    may(caller, 'run.read', id);
    const { end } = await this.scheduler.lookup.end(tenant, id, 0, signal);
    if (end?.type !== 'run.succeeded.v1') throw refuse('run.value_not_found', `${id} has no result`);
    const { value, blob } = end.data as Content;
    if (blob) yield* pieces(this.scheduler.values.read(tenant, blob.hash));
    else if (value !== undefined) yield { chunk: Buffer.from(JSON.stringify(value)) };
  }

  async sendMessage(request: SendMessageRequest, caller: Caller) {
    const { id, message, idempotencyKey } = request;
    may(caller, 'run.send', id);
    const content = await readPayload(this.scheduler.values, caller.tenant, request.data, request.jsonData);
    const { position } = await this.send(caller, id, { type: 'message', message, content }, idempotencyKey);
    return { position };
  }

  async cancelRun({ id, reason, force }: CancelRunRequest, caller: Caller) {
    const graceMs = this.config.WRIT_CANCEL_GRACE_MS;
    may(caller, 'run.cancel', id);
    const { tenant, signal } = caller;
    const position = await this.sent(caller, id, { type: 'cancel', reason: reason || 'cancelled', force, graceMs });
    const { end } = await this.scheduler.lookup.end(tenant, id, Math.min(graceMs + viewWaitMs, longestWaitMs), signal);
    if (end?.type !== 'run.cancelled.v1') return { stopped: [], outcomeUnknown: end ? [] : [id], position };
    const { stopped, outcomeUnknown } = end.data as unknown as RunEventData<'run.cancelled.v1'>;
    return { stopped, outcomeUnknown, position };
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
        expected: valueOf(json(difference.expected) as Json),
        actual: valueOf(json(difference.actual) as Json),
      }),
    };
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

  /** The view lags a little behind so as to write less; a list has what was recorded here before it was asked for. */
  private async catchUp(): Promise<void> {
    const heads = Array.from(this.scheduler.owners.local, ({ partition, handle }) =>
      positionOf(partition, handle.commit()),
    );
    await Promise.all(heads.map((head) => this.host.waitFor(runViewName, head, viewWaitMs)));
  }

  /** Waits until the view has a position. */
  private async reach(position: string): Promise<void> {
    if (position === '' || !position.startsWith('scheduler/')) return;
    if (!(await viewReaches(this.host, runViewName, position, viewWaitMs)))
      throw refuse('ledger.unavailable', `the view of runs has not reached ${position} yet`);
  }
}

/** Over gRPC a timestamp may lie where no date of JavaScript is. */
function msOf({ seconds }: Timestamp): number {
  if (seconds >= 0n && seconds < 253_402_300_800n) return Number(seconds) * 1000;
  throw refuse('run.bad_input', 'start_time must lie between the years 1970 and 9999');
}

function progressOf({ step, attempt, timeMs, progress }: BeatFacts) {
  const value = progress === undefined ? undefined : valueOf(progress);
  return { step, attempt, beatTime: timestampFromMs(timeMs), ...(value && { progress: value }) };
}

function runOf(row: RunRow) {
  return {
    id: row.id,
    workflow: row.workflow,
    state: states[row.state] ?? RunState.UNSPECIFIED,
    waitingOn: row.waiting_on ?? '',
    queue: row.queue,
    agent: row.agent,
    parent: row.parent ?? '',
    createTime: timestampFromMs(row.created_ms),
    ...(row.ended_ms !== null && { endTime: timestampFromMs(row.ended_ms) }),
    ...(row.error && { error: errorOf(row.error) }),
    entries: row.entries,
    difference: row.waits.diff ?? '',
  };
}
