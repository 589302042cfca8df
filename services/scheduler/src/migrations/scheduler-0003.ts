import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/**
 * Finds runs by more than when they were started, counts them, and keeps batches.
 *
 * What a run changes again and again (`state`, `waits`) is in no index but that of the runs that have not ended, so that a run which begins and ends between two
 * writes of the view costs two entries more and no more. Of the ends only the bad ones have an index: they are few, and they are what people look for.
 */
export class Scheduler0003 implements Migration {
  readonly name = 'Scheduler0003';

  async up(runner: QueryRunner): Promise<void> {
    // What a batch sends may hold "\u0000", which json stores and jsonb refuses.
    await runner.query(`
      alter table runs add column attributes jsonb;
      alter table runs add column ended_badly text
        generated always as (case when state in ('failed', 'cancelled') then state end) stored;
      create index runs_of_workflow on runs (tenant, workflow, created_ms desc, id desc);
      create index runs_open on runs (tenant, state, created_ms desc, id desc) where ended_ms is null;
      create index runs_ended_badly on runs (tenant, ended_badly, created_ms desc, id desc) where ended_badly is not null;
      create index runs_children on runs (tenant, parent, created_ms desc, id desc) where parent is not null;

      create table run_attributes (
        tenant text not null, id text not null, key text not null, value text collate "C" not null, created_ms bigint not null,
        partition int not null, primary key (tenant, id, key)
      );
      create index run_attributes_found on run_attributes (tenant, key, value, created_ms, id);

      create table run_counts (
        tenant text not null, workflow text not null, state text not null, partition int not null, runs bigint not null,
        primary key (tenant, workflow, state, partition)
      ) with (fillfactor = 50);
      insert into run_counts
        select tenant, workflow, state, partition, count(*) from runs group by tenant, workflow, state, partition;

      create table batches (
        tenant text not null, id text not null, created_ms bigint not null, batch json not null, partition int not null,
        primary key (tenant, id)
      );
      create index batches_listed on batches (tenant, created_ms desc, id desc);
    `);
  }
}
