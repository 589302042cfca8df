import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type Ramp = Answer<typeof routes.listRamps>['ramps'][number];

const columns: readonly Column<Ramp>[] = [
  { head: 'WORKFLOW', of: ({ workflow }) => workflow, flexible: true },
  { head: 'TO', of: ({ to }) => to },
  { head: 'PERCENT', of: ({ percent }) => String(percent), right: true },
  { head: 'FROM', of: ({ from }) => from },
  { head: 'CHANGED', of: ({ updateTime }) => ago(updateTime) },
];

interface Given {
  to?: string | undefined;
  percent?: number | undefined;
  from?: string | undefined;
}

export async function set(call: Call, workflow: string, { to, percent = 100, from = '' }: Given): Promise<void> {
  if (to === undefined) throw new Refused('cli.usage', 'say with --to to which version new runs go');
  const body = await (await call.api()).call(routes.setRamp, { workflow, to, percent, from });
  const others = from && percent < 100 ? `, the others to ${from}` : '';
  const what = `gives ${percent} percent of its new runs to version ${to}${others} (revision ${body.revision})`;
  call.out.receipt(body, workflow, what);
}

export async function get(call: Call, workflow: string): Promise<void> {
  const body = await (await call.api()).call(routes.getRamp, { workflow });
  const { to, percent, from, revision, updateTime, by } = body.ramp as Ramp;
  call.out.thing(body, {
    name: workflow,
    fields: [
      ['workflow', workflow],
      ['to', `version ${to}: ${percent} percent of its new runs`],
      ['from', from && `version ${from}: all others`],
      ['changed', updateTime && `${updateTime} (${ago(updateTime)}) by ${by}, revision ${revision}`],
    ],
  }); // prettier-ignore
}

export async function list(
  call: Call,
  options: { limit?: number | undefined; pageToken?: string | undefined },
): Promise<void> {
  const { limit: pageSize = 50, pageToken = '' } = options;
  const body = await (await call.api()).call(routes.listRamps, { pageSize, pageToken });
  const { ramps: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ workflow }) => workflow, empty: 'no workflow has a ramp', more });
}

export async function end(call: Call, workflow: string): Promise<void> {
  const body = await (await call.api()).call(routes.endRamp, { workflow });
  call.out.receipt(body, workflow, 'has no ramp any more');
}
