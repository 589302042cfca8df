import type { QueryRunner } from 'typeorm';

/** The index over the record: every leaf with its line, and the hash of every commit as it was when it went in. */
export class Audit0001 {
  readonly name = 'Audit0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE leaf (
        leaf bigint PRIMARY KEY,
        id text NOT NULL,
        tenant text NOT NULL,
        type text NOT NULL,
        subject text NOT NULL,
        principal text NOT NULL,
        run text,
        time timestamptz NOT NULL,
        service text NOT NULL,
        partition int NOT NULL,
        commit bigint NOT NULL,
        index int NOT NULL,
        line text NOT NULL
      )`);
    await runner.query('CREATE INDEX leaf_id ON leaf (id)');
    await runner.query('CREATE INDEX leaf_tenant ON leaf (tenant, leaf)');
    await runner.query('CREATE INDEX leaf_run ON leaf (tenant, run, leaf) WHERE run IS NOT NULL');
    await runner.query('CREATE INDEX leaf_subject ON leaf (tenant, subject, leaf)');
    await runner.query('CREATE INDEX leaf_principal ON leaf (tenant, principal, leaf)');
    await runner.query(`
      CREATE TABLE sealed_commit (
        service text NOT NULL,
        partition int NOT NULL,
        commit bigint NOT NULL,
        hash text NOT NULL,
        prev text NOT NULL,
        PRIMARY KEY (service, partition, commit)
      )`);
  }
}
