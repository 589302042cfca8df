import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type Memory = Answer<typeof routes.recall>['memories'][number];

const columns: readonly Column<Memory>[] = [
  { head: 'SCORE', of: ({ score }) => score.toFixed(2), right: true },
  { head: 'TEXT', of: ({ text }) => text, flexible: true },
  { head: 'BY', of: ({ agent }) => agent },
  { head: 'RUN', of: ({ run }) => run, flexible: true },
  { head: 'WHEN', of: ({ createTime }) => ago(createTime) },
  { head: 'ID', of: ({ id }) => id },
];

export async function search(
  call: Call,
  query: string,
  { scope, limit = 20 }: { scope: string; limit?: number | undefined },
): Promise<void> {
  const body = await (await call.api()).call(routes.recall, { scope, query, limit });
  const empty = `nothing like that is remembered in ${scope}`;
  call.out.list(body, { rows: body.memories, columns, name: ({ id }) => id, empty });
}
