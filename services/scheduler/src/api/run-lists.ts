import type { Caller } from '@writ/api';
import type { Host } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import type { CountRunsRequest, ListRunsRequest } from '@writ/proto/run/v1/run';
import { positionOf } from '../partition/owners.js';
import type { Scheduler } from '../scheduler.js';
import { encoded } from '../view/attribute-value.js';
import { readGroup } from '../view/run-count.js';
import { pageToken, readFilter, readOrder, readPageToken } from '../view/run-filter.js';
import { reach, viewWaitMs } from '../view/reach.js';
import { runViewName } from '../view/run-view.js';
import { may, maySee } from './may.js';
import { valueOf } from './payload.js';
import { runOf } from './run-message.js';

/** What is asked of the view about many runs. */
export class RunLists {
  constructor(
    private readonly scheduler: Scheduler,
    private readonly host: Host,
  ) {}

  async list({ filter, pageSize, pageToken: token, orderBy, after }: ListRunsRequest, caller: Caller) {
    const order = readOrder(orderBy);
    const wanted = { filter: readFilter(filter), order, after: readPageToken(token, order) };
    await reach(this.host, after);
    await this.catchUp();
    const limit = pageSize || 50;
    const rows = await this.scheduler.table.list(caller.tenant, { ...wanted, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    const value = order.attribute === undefined ? undefined : last?.attributes?.[order.attribute];
    const cursor = last && {
      createdMs: last.created_ms,
      id: last.id,
      ...(value !== undefined && { value: encoded.of(value) }),
    };
    return {
      runs: page.filter(({ id }) => maySee(caller, 'run.read', id)).map(runOf),
      nextPageToken: cursor ? pageToken(cursor) : '',
    };
  }

  /** Tells about all runs, so it is for who may read all. */
  async count({ filter: text, groupBy, after }: CountRunsRequest, caller: Caller) {
    may(caller, 'run.read', '*');
    const filter = readFilter(text);
    const group = readGroup(groupBy);
    await reach(this.host, after);
    await this.catchUp();
    const { runs, groups } = await this.scheduler.table.counts(caller.tenant, filter, group);
    return {
      runs: BigInt(runs),
      groups: groups.map(({ value, runs: of }) => ({ value: valueOf(value), runs: BigInt(of) })),
    };
  }

  /** Hides a run that has ended. @throws DomainError `run.not_ended`, `run.not_found`, `run.deleted` */
  async remove(id: string, reason: string, { tenant, actor, trace }: Caller) {
    const { lookup, runs } = this.scheduler;
    const facts = await lookup.facts(tenant, id);
    if (!facts && !(await lookup.forgotten(tenant, id)))
      throw refuse('run.not_found', `there is no run ${id}`, { run: id });
    const command = { type: 'delete', reason };
    const traced = trace === undefined ? {} : { trace };
    const { position } = await runs.send({ tenant, actor, aggregate: 'run', subject: id, command, ...traced });
    return { position };
  }

  /** The view lags a little behind so as to write less; a list has what was recorded here before it was asked for. */
  private async catchUp(): Promise<void> {
    const heads = Array.from(this.scheduler.owners.local, ({ partition, handle }) =>
      positionOf(partition, handle.commit()),
    );
    await Promise.all(heads.map((head) => this.host.waitFor(runViewName, head, viewWaitMs)));
  }
}
