import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The view of ramps. */
export class Scheduler0007 implements Migration {
  readonly name = 'Scheduler0007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table ramps (
        tenant text not null, workflow text not null, ramp json not null, revision int not null, updated_ms bigint not null,
        updated_by text not null, partition int not null,
        primary key (tenant, workflow)
      );
    `);
  }
}
