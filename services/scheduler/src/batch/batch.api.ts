import { setTimeout as pause } from 'node:timers/promises';
import { Inject } from '@nestjs/common';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { isRunId, principalOf } from '@writ/enforcement';
import type { Host, Ledger } from '@writ/ledger';
import { newId, permits, refuse, type Actor } from '@writ/ledger/domain';
import { HOST, LEDGER } from '@writ/platform';
import {
  BatchService,
  type CreateBatchRequest,
  type GetBatchRequest,
  type ListBatchesRequest,
  type StopBatchRequest,
} from '@writ/proto/run/v1/batch';
import { may, maySee } from '../api/may.js';
import { readPayload } from '../api/payload.js';
import { SCHEDULER } from '../api/tokens.js';
import { positionOf, schedulerPartition } from '../partition/owners.js';
import type { Scheduler } from '../scheduler.js';
import { reach } from '../view/reach.js';
import { pageToken, readFilter, readPageToken, workflowOf, type RunFilter } from '../view/run-filter.js';
import { sameBatch, type BatchCommand } from './batch.js';
import type { Action, Definition } from './batch.events.js';
import { needs } from './batch-pages.js';
import { messageOf } from './batch.message.js';
import type { BatchRow } from './batch.view.js';

const longestWaitMs = 60_000;
const lookAgainMs = 50;
const sampled = 20;

/** Implements `writ.run.v1.BatchService`. The resource of `batch.read` and `batch.write` is the batch. */
@ApiService(BatchService)
export class BatchApi implements ServiceImplementation<typeof BatchService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(HOST) private readonly host: Host,
  ) {}

  async createBatch(request: CreateBatchRequest, caller: Caller) {
    const id = request.id || newId('bat');
    may(caller, 'batch.write', id);
    if (!isRunId(id))
      throw refuse('batch.bad_definition', `'${id}' cannot be the id of a batch: letters, digits and . : - _ only`);
    const filter = readFilter(request.filter);
    const action = await this.actionOf(request, caller);
    const { tenant } = caller;
    const by = actorOf(caller);
    const workflow = workflowOf(filter) ?? '*';
    this.scheduler.batchPolicy.permit({
      tenant, principal: principalOf(caller), action: action.type, filter: request.filter, workflow,
    }); // prettier-ignore
    const { expected, sample } = await this.preview(caller, filter, needs[action.type]);
    const grant = [...caller.grant] as Definition['grant'];
    const definition: Definition = { action, filter: request.filter, reason: request.reason, expected, by, grant };
    if (request.validateOnly) {
      const batch = { definition, createdMs: Date.now(), done: 0, unchanged: 0, failed: [] };
      return { batch: messageOf({ id: '', batch }), sample };
    }
    const there = await this.scheduler.batches.find(tenant, id);
    if (there && sameBatch(there.batch.definition, definition)) return { batch: messageOf(there), sample };
    if (there) throw refuse('batch.exists', `there is a batch ${id} already`, { batch: id });
    const { position } = await this.send(caller, id, { type: 'create', definition });
    return { batch: messageOf(await this.read(tenant, id, position)), position, sample };
  }

  async getBatch({ id, wait, after }: GetBatchRequest, caller: Caller) {
    const { tenant, signal } = caller;
    may(caller, 'batch.read', id);
    const deadline = Date.now() + Math.min(wait ? durationMs(wait) : 0, longestWaitMs);
    for (;;) {
      const row = await this.read(tenant, id, after);
      if (row.batch.ended || Date.now() >= deadline || signal.aborted) return { batch: messageOf(row) };
      await pause(lookAgainMs);
    }
  }

  async listBatches({ pageSize, pageToken: token, after }: ListBatchesRequest, caller: Caller) {
    await reach(this.host, after);
    const limit = pageSize || 50;
    const rows = await this.scheduler.batches.list(caller.tenant, limit + 1, readPageToken(token));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      batches: page.filter(({ id }) => maySee(caller, 'batch.read', id)).map(messageOf),
      nextPageToken: rows.length > limit && last ? pageToken({ createdMs: last.batch.createdMs, id: last.id }) : '',
    };
  }

  async stopBatch({ id, reason }: StopBatchRequest, caller: Caller) {
    may(caller, 'batch.write', id);
    const { tenant } = caller;
    const { batch } = await this.read(tenant, id, '');
    if (batch.ended) return {};
    const { position } = await this.send(caller, id, {
      type: 'stop',
      reason: reason || `stopped by ${caller.principal}`,
    });
    return { position };
  }

  private async actionOf(request: CreateBatchRequest, { tenant }: Caller): Promise<Action> {
    const { action: type, force, message, data, jsonData } = request;
    const bad = (why: string) => refuse('batch.bad_definition', why, { action: type });
    if (type !== 'send' && (message !== '' || data || jsonData))
      throw bad(`a message is for 'send', not for '${type}'`);
    if (type !== 'cancel' && force) throw bad(`force is for 'cancel', not for '${type}'`);
    if (type !== 'send') return { type, ...(force && { force }) } as Action;
    if (message === '') throw bad("'send' needs the name of the message");
    return { type, message, ...(await readPayload(this.scheduler.values, tenant, data, jsonData)) };
  }

  /** What was recorded before is counted. */
  private async preview(caller: Caller, filter: RunFilter, need: string) {
    const { tenant } = caller;
    const partitions = Array.from({ length: this.host.partitions }, (_, partition) => partition);
    await Promise.all(
      partitions.map(async (partition) =>
        reach(this.host, positionOf(partition, await this.ledger.last('scheduler', partition))),
      ),
    );
    const { table } = this.scheduler;
    const [{ runs: expected }, first] = await Promise.all([
      table.counts(tenant, filter),
      table.list(tenant, { filter, limit: sampled }),
    ]);
    return { expected, sample: first.map(({ id }) => id).filter((id) => permits(caller.grant, need, id)) };
  }

  /** Up to what its partition has recorded, so that nobody reads a state that was over before they asked. */
  private async read(tenant: string, id: string, after: string): Promise<BatchRow> {
    const partition = schedulerPartition(tenant, id);
    await reach(this.host, after || positionOf(partition, await this.ledger.last('scheduler', partition)));
    const row = await this.scheduler.batches.find(tenant, id);
    if (!row) throw refuse('batch.not_found', `there is no batch ${id}`, { batch: id });
    return row;
  }

  private send({ tenant, actor, trace }: Caller, id: string, command: BatchCommand) {
    const traced = trace === undefined ? {} : { trace };
    return this.scheduler.runs.send({ tenant, actor, aggregate: 'batch', subject: id, command, ...traced });
  }
}

/** Who asks, without the token: that is worth nothing when a page is carried out. */
function actorOf({ actor: { principal, kind, onBehalfOf, run } }: Caller): Actor {
  return { principal, kind, ...(onBehalfOf && { onBehalfOf }), ...(run !== undefined && { run }) };
}
