import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** A tenant's row belongs to the tenant: with this column the platform puts it under row-level security as well. */
export class Identity0002 implements Migration {
  readonly name = 'Identity0002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table tenants add column tenant text generated always as (id) stored');
  }
}
