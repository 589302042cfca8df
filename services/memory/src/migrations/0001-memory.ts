import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The view of what is remembered: full text and trigrams, one table. */
export class Memory0001 implements MigrationInterface {
  readonly name = 'Memory0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public');
    await runner.query(`
      CREATE TABLE memory (
        tenant text NOT NULL,
        id text NOT NULL,
        scope text NOT NULL,
        text text NOT NULL,
        attributes jsonb NOT NULL,
        agent text NOT NULL,
        run text,
        created timestamptz NOT NULL,
        partition int NOT NULL,
        forgotten boolean NOT NULL DEFAULT false,
        words tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED,
        PRIMARY KEY (tenant, id)
      )`);
    await runner.query('CREATE INDEX memory_words ON memory USING gin (words)');
    await runner.query('CREATE INDEX memory_trigrams ON memory USING gin (text public.gin_trgm_ops)');
    await runner.query('CREATE INDEX memory_scope ON memory (tenant, scope, id)');
  }

  async down(): Promise<void> {
    throw new Error('migrations only go forward');
  }
}
