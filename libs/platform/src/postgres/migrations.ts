import type { DataSource, QueryRunner } from 'typeorm';

/** One step of a schema. Its name ends in its number (`Memory0001`); it only goes forward. */
export interface Migration {
  readonly name: string;
  up(runner: QueryRunner): Promise<void>;
}
export type MigrationClass = new () => Migration;

/** One lock for all services: they share the database's extensions, and two `CREATE EXTENSION` at once fail. */
const LOCK = 'writ:migrations';

/** Does something with the schema that replicas which start at the same time must do one after the other. */
export async function inTurn<T>(owner: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const runner = owner.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock(hashtext($1))', [LOCK]);
    return await work(runner);
  } finally {
    await runner.query('SELECT pg_advisory_unlock(hashtext($1))', [LOCK]).catch(() => undefined);
    await runner.release();
  }
}

/**
 * Brings the schema up to date, in the order of the numbers, each step in a transaction of its own.
 * @returns the names of what was applied
 *
 * (TypeORM's own runner orders by a JavaScript timestamp in the class name and takes no lock.)
 */
export async function migrate(
  runner: QueryRunner,
  schema: string,
  classes: readonly MigrationClass[],
): Promise<string[]> {
  const steps = inOrder(classes.map((each) => new each()));
  await runner.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
  await runner.query(
    `CREATE TABLE IF NOT EXISTS "${schema}".migration (name text PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())`,
  );
  const rows = (await runner.query(`SELECT name FROM "${schema}".migration`)) as { name: string }[];
  const done = new Set(rows.map((row) => row.name));
  const missing = steps.filter((each) => !done.has(each.name));
  for (const step of missing) await apply(runner, schema, step);
  return missing.map(({ name }) => name);
}

async function apply(runner: QueryRunner, schema: string, step: Migration): Promise<void> {
  await runner.startTransaction();
  try {
    await step.up(runner);
    await runner.query(`INSERT INTO "${schema}".migration (name) VALUES ($1)`, [step.name]);
    await runner.commitTransaction();
  } catch (cause) {
    await runner.rollbackTransaction();
    throw new Error(`migration ${step.name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function inOrder(steps: readonly Migration[]): Migration[] {
  const numbered = steps.map((step) => {
    const digits = /\d+$/.exec(step.name)?.[0];
    if (digits === undefined) throw new Error(`the name of migration ${step.name} must end in its number`);
    return { step, number: Number(digits) };
  });
  numbered.sort((a, b) => a.number - b.number);
  for (const [index, { step, number }] of numbered.entries())
    if (numbered[index - 1]?.number === number) throw new Error(`two migrations have the number of ${step.name}`);
  return numbered.map(({ step }) => step);
}
