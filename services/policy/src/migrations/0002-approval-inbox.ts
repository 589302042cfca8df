import type { Migration } from '@writ/platform';
import type { QueryRunner } from 'typeorm';

/** What an inbox shows of approvals. */
export class Policy0002 implements Migration {
  readonly name = 'Policy0002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE approval
        ADD COLUMN schema json,
        ADD COLUMN reminded timestamptz,
        ADD COLUMN hand_overs jsonb NOT NULL DEFAULT '[]'`);
  }
}
