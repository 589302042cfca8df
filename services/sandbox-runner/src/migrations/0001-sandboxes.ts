import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The views of sandboxes and artifacts. */
export class Sandboxes0001 implements MigrationInterface {
  readonly name = 'Sandboxes0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sandbox (
        tenant text NOT NULL,
        id text NOT NULL,
        name text NOT NULL,
        state text NOT NULL,
        reason text NOT NULL DEFAULT '',
        tier text NOT NULL,
        layers text[] NOT NULL DEFAULT '{}',
        artifact text,
        commit text,
        limits jsonb NOT NULL,
        runner text NOT NULL,
        agent text NOT NULL,
        run text,
        created timestamptz NOT NULL,
        expires timestamptz NOT NULL,
        PRIMARY KEY (tenant, id)
      )`);
    await runner.query("CREATE INDEX sandbox_alive ON sandbox (runner) WHERE state <> 'stopped'");
    await runner.query('CREATE INDEX sandbox_run ON sandbox (tenant, run)');
    await runner.query(`
      CREATE TABLE artifact (
        tenant text NOT NULL,
        id text NOT NULL,
        name text NOT NULL,
        source text NOT NULL,
        commit text NOT NULL,
        files bigint NOT NULL,
        bytes bigint NOT NULL,
        created timestamptz NOT NULL,
        PRIMARY KEY (tenant, id)
      )`);
  }

  async down(): Promise<void> {
    throw new Error('migrations only go forward');
  }
}
