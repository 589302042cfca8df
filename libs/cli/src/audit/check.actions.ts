import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import type { Column } from '../output/table.js';

type Integrity = NonNullable<Answer<typeof routes.checkIntegrity>['integrity']>;

/** Reading the whole ledger takes as long as it is large. */
const CHECK_MS = 600_000;

const columns: readonly Column<Integrity['problems'][number]>[] = [
  { head: 'KIND', of: ({ kind }) => kind },
  { head: 'PARTITION', of: ({ service, partition }) => `${service}/${String(partition).padStart(2, '0')}` },
  { head: 'COMMITS', of: ({ firstCommit, lastCommit }) => [...new Set([firstCommit, lastCommit])].join(' to ') },
  { head: 'WHAT', of: ({ text }) => text, flexible: true },
];

export async function check(call: Call): Promise<number> {
  const body = await checkIntegrity(call);
  const { problems = [], commits = 0, treeSize = 0 } = body.integrity ?? {};
  const rows = problems;
  call.out.list(body, { rows, columns, name: ({ text }) => text, empty: 'nothing is missing and nothing was changed' });
  call.out.say(`${commits} commits were compared with a record of ${treeSize} leaves`);
  return rows.length === 0 ? exit.ok : exit.found;
}

export async function checkIntegrity(call: Call): Promise<Answer<typeof routes.checkIntegrity>> {
  return (await call.api()).call(routes.checkIntegrity, {}, { timeoutMs: CHECK_MS });
}
