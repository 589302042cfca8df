import { readTenant } from '@writ/platform';
import type { DataSource } from 'typeorm';
import { isLimited } from './queues.js';
import type { Limits, QueueEventData } from './queue.events.js';
import type { Beside } from '../view/beside.js';

/** A queue with limits, as the table has it. */
export interface QueueRow {
  readonly name: string;
  readonly limits: Limits;
  readonly revision: number;
  readonly updated_ms: number;
  readonly updated_by: string;
}

/** The table of queues, beside that of runs. */
export const queuesBeside: Beside = {
  table: 'queues',
  events: 'queue.defined.v1',
  async apply(events, manager) {
    for (const { event, position } of events) {
      const { tenant, subject: name, time, actor } = event;
      const { revision, limits } = event.data as unknown as QueueEventData<'queue.defined.v1'>;
      await manager.query('delete from queues where tenant = $1 and name = $2', [tenant, name]);
      if (isLimited(limits))
        await manager.query('insert into queues values ($1, $2, $3, $4, $5, $6, $7)', [
          tenant, name, JSON.stringify(limits), revision, Date.parse(time), actor.principal, position.partition,
        ]); // prettier-ignore
    }
  },
};

/** Reads of the table of queues. */
export class QueuesTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, name: string): Promise<QueueRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        'select name, limits, revision, updated_ms, updated_by from queues where tenant = $1 and name = $2',
        [tenant, name],
      ),
    );
    return (rows as QueueRow[])[0];
  }

  /** By name, behind the given one. */
  async list(tenant: string, limit: number, after: string): Promise<QueueRow[]> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        'select name, limits, revision, updated_ms, updated_by from queues where tenant = $1 and name > $2 order by name limit $3',
        [tenant, after, limit],
      ),
    );
    return rows as QueueRow[];
  }
}
