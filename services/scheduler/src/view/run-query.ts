import { encoded } from './attribute-value.js';
import type { Condition, RunCursor, RunFilter, RunOrder } from './run-filter.js';

/** Parts of a statement over `runs`; `$1` is the tenant. */
export interface RunQuery {
  readonly from: string;
  readonly where: string;
  readonly values: unknown[];
  /** Prefix of `created_ms` and `id` that the index of the statement has. */
  readonly by: 'runs' | 'a';
}

type Attribute = Extract<Condition, { kind: 'attribute' }>;

/**
 * The runs that a filter finds. What finds few is put first: the rows of the attribute that orders them, or else of one that must be equal, and
 * each of those leads to its run.
 *
 * @param options `rows`: whether more of the runs is wanted than their number
 */
export function queryOf(
  tenant: string,
  filter: RunFilter,
  order: RunOrder = { descending: true },
  { rows = true } = {},
): RunQuery {
  const values: unknown[] = [tenant];
  const put = (value: unknown) => `$${values.push(value)}`;
  const leading =
    order.attribute === undefined
      ? filter.find((each): each is Attribute => each.kind === 'attribute' && each.op === '=')
      : undefined;
  const key = order.attribute ?? leading?.key;
  // Where an attribute is all that matters, its index says everything.
  const alone = !rows && key !== undefined && filter.every((each) => each.kind === 'attribute' && each.key === key);
  const where = alone ? [] : ['runs.tenant = $1'];
  if (key !== undefined) where.push(`a.tenant = $1 and a.key = ${put(key)}`);
  for (const each of filter) {
    if (each.kind !== 'attribute') where.push(condition(each, put));
    else if (each.key === key) where.push(compared(each, 'a', put));
    else
      where.push(
        `exists (select from run_attributes b where b.tenant = $1 and b.id = runs.id and b.key = ${put(each.key)} and ${compared(each, 'b', put)})`,
      );
  }
  const from = alone
    ? 'run_attributes a'
    : key === undefined
      ? 'runs'
      : 'run_attributes a join runs on runs.tenant = a.tenant and runs.id = a.id';
  return { from, where: where.join(' and '), values, by: key === undefined ? 'runs' : 'a' };
}

/** What stands behind the conditions of a page: which is next, in which order. */
export function pageOf({ values, by }: RunQuery, order: RunOrder, after: RunCursor | undefined, limit: number): string {
  const put = (value: unknown) => `$${values.push(value)}`;
  const columns = [...(order.attribute === undefined ? [] : ['a.value']), `${by}.created_ms`, `${by}.id`];
  const way = order.descending ? 'desc' : 'asc';
  const last = after && [...(order.attribute === undefined ? [] : [after.value]), after.createdMs, after.id];
  const next = last ? ` and (${columns.join(', ')}) ${order.descending ? '<' : '>'} (${last.map(put).join(', ')})` : '';
  return `${next} order by ${columns.map((column) => `${column} ${way}`).join(', ')} limit ${put(limit)}`;
}

function condition(each: Exclude<Condition, Attribute>, put: (value: unknown) => string): string {
  if (each.kind === 'time') return `runs.${each.column} ${each.op} ${put(each.value)}`;
  const { column, op, value } = each;
  if (column !== 'state' || op === '!=') return `runs.${column} ${op === '=' ? '=' : 'is distinct from'} ${put(value)}`;
  // As the partial indexes have it.
  if (value === 'failed' || value === 'cancelled') return `runs.ended_badly = ${put(value)}`;
  return `runs.state = ${put(value)} and runs.ended_ms is ${value === 'succeeded' ? 'not null' : 'null'}`;
}

/** Compared with values of its own kind. */
function compared({ op, value }: Attribute, table: string, put: (value: unknown) => string): string {
  const text = put(encoded.of(value));
  if (op === '=') return `${table}.value = ${text}`;
  if (op === '!=') return `${table}.value <> ${text}`;
  const { from, below } = encoded.bounds(value);
  const bound = op.startsWith('<') ? `${table}.value >= ${put(from)}` : `${table}.value < ${put(below)}`;
  return `${table}.value ${op} ${text} and ${bound}`;
}
