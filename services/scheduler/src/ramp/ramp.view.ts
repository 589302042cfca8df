import { readTenant } from '@writ/platform';
import type { DataSource } from 'typeorm';
import type { Ramp, RampEventData } from './ramp.events.js';
import type { Beside } from '../view/beside.js';

/** A ramp, as the table has it. */
export interface RampRow {
  readonly workflow: string;
  readonly ramp: Ramp;
  readonly revision: number;
  readonly updatedMs: number;
  readonly by: string;
}

/** The table of ramps, beside that of runs. */
export const rampsBeside: Beside = {
  table: 'ramps',
  events: 'ramp.set.v1',
  async apply(events, manager) {
    for (const { event, position } of events) {
      const { tenant, subject: workflow, time, actor } = event;
      const { revision, ramp } = event.data as RampEventData<'ramp.set.v1'>;
      await manager.query('delete from ramps where tenant = $1 and workflow = $2', [tenant, workflow]);
      if (ramp)
        await manager.query('insert into ramps values ($1, $2, $3, $4, $5, $6, $7)', [
          tenant, workflow, JSON.stringify(ramp), revision, Date.parse(time), actor.principal, position.partition,
        ]); // prettier-ignore
    }
  },
};

const columns = 'workflow, ramp, revision, updated_ms::float8 as "updatedMs", updated_by as by';

/** Reads of the table of ramps. */
export class RampsTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, workflow: string): Promise<RampRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select ${columns} from ramps where tenant = $1 and workflow = $2`, [tenant, workflow]),
    );
    return (rows as RampRow[])[0];
  }

  /** By workflow, behind the given one. */
  async list(tenant: string, limit: number, after: string): Promise<RampRow[]> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`select ${columns} from ramps where tenant = $1 and workflow > $2 order by workflow limit $3`, [
        tenant,
        after,
        limit,
      ]),
    );
    return rows as RampRow[];
  }
}
