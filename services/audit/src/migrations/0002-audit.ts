import type { QueryRunner } from 'typeorm';

/**
 * The leaves of a tenant in their order were an index beside that of all leaves: one is enough, since every search names the
 * tenant. Each index is paid with every event that happens anywhere.
 */
export class Audit0002 {
  readonly name = 'Audit0002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE leaf DROP CONSTRAINT leaf_pkey, ADD PRIMARY KEY (tenant, leaf)');
    await runner.query('DROP INDEX leaf_tenant');
  }
}
