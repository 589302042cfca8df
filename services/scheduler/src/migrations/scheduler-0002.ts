import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The view of schedules. */
export class Scheduler0002 implements Migration {
  readonly name = 'Scheduler0002';

  async up(runner: QueryRunner): Promise<void> {
    // What the schedule starts may hold "\u0000", which json stores and jsonb refuses.
    await runner.query(`
      create table schedules (
        tenant text not null, id text not null, workflow text not null, schedule json not null, partition int not null,
        primary key (tenant, id)
      );
    `);
  }
}
