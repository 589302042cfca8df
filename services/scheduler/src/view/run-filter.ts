import { refuse } from '@writ/ledger/domain';
import { isRunId } from '@writ/enforcement';
import { attributeKey, type AttributeValue } from '../run/attributes.js';
import { encoded } from './attribute-value.js';

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=';
const equality: readonly Operator[] = ['=', '!='];
const range: readonly Operator[] = ['<', '<=', '>', '>='];

const columns = ['state', 'workflow', 'queue', 'agent', 'parent', 'version'] as const;
type Column = (typeof columns)[number];
const times = { create_time: 'created_ms', end_time: 'ended_ms' } as const;
const states = ['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'];

/** One condition; all of a filter must hold. */
export type Condition =
  | { readonly kind: 'column'; readonly column: Column; readonly op: Operator; readonly value: string }
  | { readonly kind: 'time'; readonly column: 'created_ms' | 'ended_ms'; readonly op: Operator; readonly value: number }
  | { readonly kind: 'attribute'; readonly key: string; readonly op: Operator; readonly value: AttributeValue };
export type RunFilter = readonly Condition[];

const mostConditions = 20;
// In quotes a quote and a backslash are escaped by a backslash; control characters are in no name.
const clause = /^\s*(\w+(?:\.[\w-]+)?)\s*(!=|<=|>=|=|<|>)\s*("(?:[^"\\\p{Cc}]|\\["\\])*"|[\w.:+-]+)\s*(AND\s|$)/u;

/**
 * Reads the part of AIP-160 that lists of runs know: `state = "waiting" AND attributes.customer = "acme" AND create_time > "2026-11-01"`.
 * Columns know `=` and `!=`, times the other comparisons, attributes all. Of an attribute a bare number or `true` is one, what is in quotes is text.
 *
 * @throws DomainError `run.bad_filter`
 */
export function readFilter(text: string): RunFilter {
  const filter: Condition[] = [];
  let rest = text;
  while (rest.trim() !== '') {
    const match = clause.exec(rest);
    if (!match) throw refuse('run.bad_filter', `cannot be read from '${rest.trim().slice(0, 40)}' on`);
    const [whole, field = '', op = '=', value = ''] = match;
    filter.push(conditionOf(field, op as Operator, value));
    if (filter.length > mostConditions)
      throw refuse('run.bad_filter', `there are more than ${mostConditions} conditions`, { most: mostConditions });
    rest = rest.slice(whole.length);
    if (whole.trimEnd().endsWith('AND') && rest.trim() === '') throw refuse('run.bad_filter', 'nothing follows AND');
  }
  return filter;
}

/** The workflow that a filter names, if it names one. */
export function workflowOf(filter: RunFilter): string | undefined {
  const named = filter.find((each) => each.kind === 'column' && each.column === 'workflow' && each.op === '=');
  return named?.kind === 'column' ? named.value : undefined;
}

function conditionOf(field: string, op: Operator, given: string): Condition {
  const quoted = given.startsWith('"');
  const value = quoted ? given.slice(1, -1).replace(/\\(.)/g, '$1') : given;
  if (isColumn(field)) {
    known(field, op, equality);
    if (field === 'state' && !states.includes(value))
      throw refuse('run.bad_filter', `there is no state '${value}'; there are ${states.join(', ')}`);
    return { kind: 'column', column: field, op, value };
  }
  if (Object.hasOwn(times, field)) {
    known(field, op, range);
    return { kind: 'time', column: times[field as keyof typeof times], op, value: msOf(field, value) };
  }
  const key = field.startsWith('attributes.') ? field.slice('attributes.'.length) : undefined;
  if (key !== undefined && attributeKey.test(key))
    return { kind: 'attribute', key, op, value: quoted ? value : bareValue(value) };
  const all = [...columns, ...Object.keys(times), 'attributes.<key>'].join(', ');
  throw refuse('run.bad_filter', `there is no field '${field}'; there are ${all}`);
}

function known(field: string, op: Operator, allowed: readonly Operator[]): void {
  if (!allowed.includes(op))
    throw refuse('run.bad_filter', `${field} is compared by ${allowed.join(' or ')}, not by ${op}`);
}

function isColumn(name: string): name is Column {
  return (columns as readonly string[]).includes(name);
}

function msOf(field: string, value: string): number {
  const ms = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
  if (Number.isNaN(ms)) throw refuse('run.bad_filter', `${field} is compared with a time such as 2026-11-23T10:00:00Z`);
  return ms;
}

function bareValue(value: string): AttributeValue {
  if (value === 'true' || value === 'false') return value === 'true';
  return /^[+-]?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

/** In which order runs are listed; of equals those that were started first are the lesser ones. */
export interface RunOrder {
  /** Absent: when they were started. */
  readonly attribute?: string;
  readonly descending: boolean;
}

const newestFirst: RunOrder = { descending: true };

/** Reads `create_time`, `create_time desc` (what empty stands for), `attributes.<key>`, `attributes.<key> desc`. @throws DomainError `run.bad_filter` */
export function readOrder(text: string): RunOrder {
  if (text.trim() === '') return newestFirst;
  const [, field = '', way = ''] = /^\s*([\w.-]+)(?:\s+(asc|desc))?\s*$/.exec(text) ?? [];
  const descending = way === 'desc';
  if (field === 'create_time') return { descending };
  const key = field.startsWith('attributes.') ? field.slice('attributes.'.length) : '';
  if (attributeKey.test(key)) return { attribute: key, descending };
  throw refuse(
    'run.bad_filter',
    `runs are ordered by create_time or attributes.<key>, not by '${text.trim().slice(0, 40)}'`,
  );
}

/** The last run of a page. */
export interface RunCursor {
  /** Of the attribute by which they are ordered, as the index has it. */
  readonly value?: string;
  readonly createdMs: number;
  readonly id: string;
}

/** Where a page ends, as it goes to the caller and comes back. */
export function pageToken({ createdMs, id, value }: RunCursor): string {
  return Buffer.from(JSON.stringify(value === undefined ? [createdMs, id] : [createdMs, id, value])).toString(
    'base64url',
  );
}

/** @throws DomainError `run.bad_filter` */
export function readPageToken(token: string, order: RunOrder = newestFirst): RunCursor | undefined {
  if (token === '') return undefined;
  try {
    const [createdMs, id, value] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    const ordered = order.attribute === undefined ? value === undefined : typeof value === 'string';
    if (Number.isSafeInteger(createdMs) && typeof id === 'string' && isRunId(id) && ordered)
      return {
        createdMs: createdMs as number,
        id,
        ...(typeof value === 'string' && { value: encoded.checked(value) }),
      };
  } catch {
    // told below
  }
  throw refuse('run.bad_filter', 'the page token is not one of ours, or one of another order');
}
