import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The view of what tenants want to be kept. */
export class Scheduler0006 implements Migration {
  readonly name = 'Scheduler0006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table retention (
        tenant text not null primary key, retention json not null, updated_ms bigint not null, partition int not null
      );
    `);
  }
}
