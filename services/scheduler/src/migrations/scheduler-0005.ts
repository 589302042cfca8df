import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** Of a run that was deleted only this is left in the view: that there was one, and where its record is. */
export class Scheduler0005 implements Migration {
  readonly name = 'Scheduler0005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table deleted_runs (
        tenant text not null, id text not null, partition int not null, commit bigint not null, deleted_ms bigint not null,
        primary key (tenant, id)
      );
    `);
  }
}
