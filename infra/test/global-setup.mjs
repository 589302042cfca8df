/** Before the first suite: opens the door at which suites ask for the run's PostgreSQL; nothing is started yet. */
import '../source.mjs';

export default async function setUp() {
  const { lendPostgres } = await import('@writ/testkit');
  globalThis.writPostgres = await lendPostgres();
  process.env.WRIT_TEST_POSTGRES = globalThis.writPostgres.door;
}
