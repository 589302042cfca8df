import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The view of queues with limits. */
export class Scheduler0004 implements Migration {
  readonly name = 'Scheduler0004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table queues (
        tenant text not null, name text not null, limits json not null, revision int not null, updated_ms double precision not null,
        updated_by text not null, partition int not null,
        primary key (tenant, name)
      );
    `);
  }
}
