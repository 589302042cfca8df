import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** The views of policies and approvals. */
export class Policy0001 implements Migration {
  readonly name = 'Policy0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE policy_files (
        tenant text NOT NULL,
        version text NOT NULL,
        files json NOT NULL,
        PRIMARY KEY (tenant, version)
      )`);
    await runner.query(`
      CREATE TABLE policy_activation (
        tenant text NOT NULL,
        commit bigint NOT NULL,
        version text NOT NULL,
        mode text NOT NULL,
        policies int NOT NULL,
        by_principal text NOT NULL,
        activated timestamptz NOT NULL,
        PRIMARY KEY (tenant, commit)
      )`);
    // What agents write may hold "\u0000", which json stores and jsonb refuses.
    await runner.query(`
      CREATE TABLE approval (
        tenant text NOT NULL,
        id text NOT NULL,
        state text NOT NULL,
        kind text NOT NULL,
        title text NOT NULL,
        detail json NOT NULL,
        arguments_digest text NOT NULL,
        policy_version text NOT NULL,
        agent text NOT NULL,
        run text NOT NULL,
        approvers text[] NOT NULL,
        created timestamptz NOT NULL,
        expires timestamptz NOT NULL,
        decided_by text NOT NULL,
        decided timestamptz,
        reason text NOT NULL,
        value json,
        PRIMARY KEY (tenant, id)
      )`);
    await runner.query('CREATE INDEX approval_listed ON approval (tenant, state, created, id)');
    await runner.query(`CREATE INDEX approval_of_run ON approval (tenant, run) WHERE run <> ''`);
  }
}
