import { randomUUID } from 'node:crypto';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type Tenant = Answer<typeof routes.listTenants>['tenants'][number];

const columns: readonly Column<Tenant>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'NAME', of: ({ name }) => name, flexible: true },
  { head: 'STATE', of: ({ state }) => state },
  { head: 'CREATED', of: ({ createTime }) => ago(createTime) },
];

interface Page {
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function listProjects(call: Call, { limit: pageSize = 50, pageToken = '' }: Page): Promise<void> {
  const body = await (await call.api()).call(routes.listTenants, { pageSize, pageToken });
  const { tenants: rows, nextPageToken: more } = body;
  call.out.list(body, {
    rows,
    columns,
    name: ({ id }) => id,
    empty: 'no projects; `writ project create <name>`',
    more,
  });
}

export async function createProject(call: Call, name: string, id = `tnt_${randomUUID()}`): Promise<void> {
  const body = await (await call.api()).call(routes.createTenant, { name, id });
  call.out.receipt(body, body.id, `created; act in it with --project ${body.id} or WRIT_PROJECT`);
}
