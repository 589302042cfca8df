import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The view of runs. */
export class Scheduler0001 implements Migration {
  readonly name = 'Scheduler0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table runs (
        tenant text not null, id text not null, workflow text not null, version text, state text not null,
        waiting_on text, queue text not null, agent text not null, parent text, depth int not null,
        digest text not null, created_ms bigint not null, ended_ms bigint, error jsonb, entries int not null,
        waits jsonb not null, partition int not null, commit bigint not null,
        primary key (tenant, id)
      );
      create index runs_listed on runs (tenant, created_ms desc, id desc);
    `);
  }
}
