import type { QueryRunner } from 'typeorm';

/** The view of servers and of the definitions of their tools. */
export class Tools0001 {
  readonly name = 'Tools0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE tool_server (
        tenant text NOT NULL,
        name text NOT NULL,
        spec jsonb NOT NULL,
        partition int NOT NULL,
        PRIMARY KEY (tenant, name)
      )`);
    await runner.query(`
      CREATE TABLE tool (
        tenant text NOT NULL,
        server text NOT NULL,
        name text NOT NULL,
        seen jsonb,
        approved jsonb,
        PRIMARY KEY (tenant, server, name),
        FOREIGN KEY (tenant, server) REFERENCES tool_server ON DELETE CASCADE
      )`);
  }
}
