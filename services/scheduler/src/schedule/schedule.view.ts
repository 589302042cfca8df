import { readTenant } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { Beside, Projected } from '../view/beside.js';
import { evolve, type Schedule } from './schedule.js';

/** A schedule as the table has it: the state that its owner has, folded by the same function. */
export interface ScheduleRow {
  readonly id: string;
  readonly schedule: Schedule;
}

/** The table of schedules, beside that of runs. */
export const schedulesBeside: Beside = { table: 'schedules', events: 'schedule.', apply: applySchedules };

async function applySchedules(events: Projected, manager: EntityManager): Promise<void> {
  const found = new Map<string, { tenant: string; id: string; partition: number; schedule: Schedule | undefined }>();
  for (const { event, position } of events) {
    const { tenant, subject: id, type, data, time } = event;
    const key = `${tenant}/${id}`;
    let row = found.get(key);
    if (!row)
      found.set(
        key,
        (row = { tenant, id, partition: position.partition, schedule: await stored(tenant, id, manager) }),
      );
    row.schedule = evolve(row.schedule, { type, data, timeMs: Date.parse(time) });
  }
  for (const { tenant, id, partition, schedule } of found.values())
    if (!schedule) await manager.query('delete from schedules where tenant = $1 and id = $2', [tenant, id]);
    else
      await manager.query(
        `insert into schedules (tenant, id, workflow, schedule, partition) values ($1, $2, $3, $4, $5)
         on conflict (tenant, id) do update set workflow = excluded.workflow, schedule = excluded.schedule`,
        [tenant, id, schedule.definition.starts.workflow, JSON.stringify(schedule), partition],
      );
}

async function stored(tenant: string, id: string, manager: EntityManager): Promise<Schedule | undefined> {
  const rows: unknown = await manager.query('select schedule from schedules where tenant = $1 and id = $2', [
    tenant,
    id,
  ]);
  return (rows as ScheduleRow[])[0]?.schedule;
}

/** Reads of the table of schedules. */
export class SchedulesTable {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<ScheduleRow | undefined> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('select id, schedule from schedules where tenant = $1 and id = $2', [tenant, id]),
    );
    return (rows as ScheduleRow[])[0];
  }

  /** By id, behind the given one; of one workflow where it is not empty. */
  async list(tenant: string, workflow: string, limit: number, after: string): Promise<ScheduleRow[]> {
    const rows: unknown = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `select id, schedule from schedules where tenant = $1 and id > $2 and ($3 = '' or workflow = $3) order by id limit $4`,
        [tenant, after, workflow, limit],
      ),
    );
    return rows as ScheduleRow[];
  }
}
