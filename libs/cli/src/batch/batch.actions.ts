import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { jsonOf } from '../command/input.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';
import { confirm } from '../prompt/confirm.js';

type Batch = Answer<typeof routes.listBatches>['batches'][number];

const stateOf = ({ state }: Batch): string => state.replace(/^BATCH_STATE_/, '').toLowerCase();

const columns: readonly Column<Batch>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'ACTION', of: ({ action, message }) => [action, message].join(' ').trim() },
  { head: 'FILTER', of: ({ filter }) => filter, flexible: true },
  { head: 'STATE', of: stateOf },
  { head: 'DONE', of: ({ done, expected }) => `${done} of ${expected}`, right: true },
  { head: 'FAILED', of: ({ failed }) => failed, right: true },
  { head: 'CREATED', of: ({ createTime }) => ago(createTime) },
];

interface ListOptions {
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function list(call: Call, { limit: pageSize = 50, pageToken = '' }: ListOptions): Promise<void> {
  const body = await (await call.api()).call(routes.listBatches, { pageSize, pageToken });
  call.out.list(body, {
    rows: body.batches,
    columns,
    name: ({ id }) => id,
    empty: 'no batches',
    more: body.nextPageToken,
  });
}

export async function get(call: Call, id: string, wait: boolean): Promise<number> {
  const api = await call.api();
  let body = await api.call(routes.getBatch, { id });
  while (wait && stateOf(body.batch as Batch) === 'running')
    body = await api.call(routes.getBatch, { id, wait: '30s' }, { timeoutMs: 60_000 });
  const batch = body.batch as Batch;
  call.out.thing(body, {
    name: id,
    fields: [
      ['id', batch.id],
      ['action', [batch.action, batch.message].join(' ').trim()],
      ['filter', batch.filter],
      ['reason', batch.reason],
      ['state', stateOf(batch)],
      ['by', batch.by],
      ['done', `${batch.done} of ${batch.expected}`],
      ['unchanged', batch.unchanged],
      ['failed', batch.failed],
      [
        'failures',
        batch.failures
          .map(({ code, count, run, detail }) => `${count} × ${code}, such as ${run}: ${detail}`)
          .join('\n'),
      ],
      ['why', batch.error && `${batch.error.message} (${batch.error.code})`],
      ['created', batch.createTime && `${batch.createTime} (${ago(batch.createTime)})`],
      ['ended', batch.endTime],
    ],
  });
  return wait && (stateOf(batch) !== 'done' || batch.failed !== '0') ? exit.endedBadly : exit.ok;
}

export async function stop(call: Call, id: string, reason: string): Promise<void> {
  const body = await (await call.api()).call(routes.stopBatch, { id, reason });
  call.out.receipt(body, id, 'ends after the page that it is at');
}

/** What is to be done to all runs that a filter finds. */
export interface ManyOptions {
  filter?: string | undefined;
  reason?: string | undefined;
  dryRun?: boolean;
  force?: boolean;
  data?: string | undefined;
}

/** One run by its id, or all that a filter finds. @throws Refused `cli.usage` */
export function oneOrMany(id: string | undefined, { filter, dryRun = false }: ManyOptions): 'one' | 'many' {
  if ((id === undefined) === (filter === undefined))
    throw new Refused('cli.usage', 'name one run, or many by --filter');
  if (id !== undefined && dryRun) throw new Refused('cli.usage', '--dry-run is for many runs, by --filter');
  return id === undefined ? 'many' : 'one';
}

/** `writ run cancel --filter …` and its like. */
export async function begin(call: Call, action: string, options: ManyOptions, message = ''): Promise<void> {
  const { filter = '', reason = '', dryRun = false, force = false, data } = options;
  const api = await call.api();
  const jsonData = data === undefined ? {} : { jsonData: (await jsonOf(data, '--data')) as never };
  const request = { action, filter, reason, force, message, ...jsonData };
  const would = await api.call(routes.createBatch, { ...request, validateOnly: true });
  const many = `${would.batch?.expected ?? 0} runs`;
  if (dryRun) return call.out.receipt(would, would.sample.join('\n'), `would ${action} ${many}`);
  await confirm(call, `${action[0]?.toUpperCase()}${action.slice(1)} ${many} where ${filter}?`);
  const body = await api.call(routes.createBatch, request);
  const id = body.batch?.id ?? '';
  call.out.receipt(body, id, `begun; see how far it is with \`writ batch get ${id}\``);
}
