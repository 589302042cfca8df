import { refuse } from '@writ/ledger/domain';
import { attributeKey, type AttributeValue } from '../run/attributes.js';
import { encoded } from './attribute-value.js';
import type { RunFilter } from './run-filter.js';
import { queryOf } from './run-query.js';

const columns = ['state', 'workflow', 'queue'] as const;

/** What runs are counted by. */
export type RunGroup =
  | { readonly kind: 'all' }
  | { readonly kind: 'column'; readonly column: (typeof columns)[number] }
  | { readonly kind: 'attribute'; readonly key: string };

export interface RunNumbers {
  readonly runs: number;
  /** The largest first. */
  readonly groups: readonly { readonly value: AttributeValue; readonly runs: number }[];
}

const mostGroups = 1000;

/** Reads `state`, `workflow`, `queue`, `attributes.<key>` or nothing. @throws DomainError `run.bad_filter` */
export function readGroup(text: string): RunGroup {
  if (text === '') return { kind: 'all' };
  const column = columns.find((each) => each === text);
  if (column) return { kind: 'column', column };
  const key = text.startsWith('attributes.') ? text.slice('attributes.'.length) : '';
  if (attributeKey.test(key)) return { kind: 'attribute', key };
  throw refuse(
    'run.bad_filter',
    `runs are counted by ${columns.join(', ')} or attributes.<key>, not by '${text.slice(0, 40)}'`,
  );
}

/** A statement with rows `value`, `runs` and `total`; the text of a value of an attribute as its index has it. */
export function countOf(tenant: string, filter: RunFilter, group: RunGroup): { text: string; values: unknown[] } {
  if (isKept(filter, group)) return kept(tenant, filter, group);
  const order = group.kind === 'attribute' ? { attribute: group.key, descending: true } : undefined;
  const { from, where, values } = queryOf(tenant, filter, order, { rows: false });
  const value = group.kind === 'attribute' ? 'a.value' : group.kind === 'column' ? `runs.${group.column}` : undefined;
  return { text: grouped('count(*)', from, where, value), values };
}

/** Numbers by workflow and state are kept as runs come and go. */
function isKept(filter: RunFilter, group: RunGroup): boolean {
  if (group.kind === 'attribute' || (group.kind === 'column' && group.column === 'queue')) return false;
  return filter.every((each) => each.kind === 'column' && (each.column === 'state' || each.column === 'workflow'));
}

function kept(tenant: string, filter: RunFilter, group: RunGroup): { text: string; values: unknown[] } {
  const values: unknown[] = [tenant];
  const where = ['tenant = $1'];
  for (const each of filter)
    if (each.kind === 'column')
      where.push(`${each.column} ${each.op === '=' ? '=' : '<>'} $${values.push(each.value)}`);
  const value = group.kind === 'column' ? group.column : undefined;
  return { text: grouped('sum(runs)', 'run_counts', where.join(' and '), value), values };
}

function grouped(sum: string, from: string, where: string, value: string | undefined): string {
  if (value === undefined) return `select coalesce(${sum}, 0) as total from ${from} where ${where}`;
  return (
    `select ${value} as value, ${sum} as runs, sum(${sum}) over () as total from ${from} where ${where} ` +
    `group by ${value} having ${sum} > 0 order by runs desc, value limit ${mostGroups}`
  );
}

/** The rows of such a statement. */
export function numbersOf(
  rows: readonly { value?: string; runs?: string; total: string }[],
  group: RunGroup,
): RunNumbers {
  const read = group.kind === 'attribute' ? (value: string) => encoded.read(value) : (value: string) => value;
  return {
    runs: Number(rows[0]?.total ?? 0),
    groups: rows.flatMap(({ value, runs }) =>
      value === undefined ? [] : [{ value: read(value), runs: Number(runs) }],
    ),
  };
}
