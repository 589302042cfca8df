import type { Projection } from '@writ/ledger';
import { storableJson } from '@writ/platform';
import type { EntityManager } from 'typeorm';
import type { Attributes, AttributeValue } from '../run/attributes.js';
import { encoded } from './attribute-value.js';
import type { RunRow } from './run-view.js';

/** The rows of those runs whose attributes these events may have changed. */
export function attributed(events: Parameters<Projection['apply']>[0], rows: readonly RunRow[]): RunRow[] {
  const keys = new Set<string>();
  for (const { event } of events) {
    const { type, data, tenant, subject } = event;
    if ((data as { attributes?: Attributes } | null)?.attributes && type.startsWith('run.'))
      keys.add(`${tenant}\n${subject}`);
  }
  return keys.size === 0 ? [] : rows.filter(({ tenant, id }) => keys.has(`${tenant}\n${id}`));
}

/** Puts what the runs have now into the place of what the index has. */
export async function writeAttributes(rows: readonly RunRow[], manager: EntityManager): Promise<void> {
  if (rows.length === 0) return;
  await manager.query(
    `delete from run_attributes using unnest($1::text[], $2::text[]) as gone (tenant, id)
     where run_attributes.tenant = gone.tenant and run_attributes.id = gone.id`,
    [rows.map(({ tenant }) => tenant), rows.map(({ id }) => id)],
  );
  const entries = rows.flatMap(({ tenant, id, created_ms, partition, attributes }) =>
    Object.entries(attributes ?? {}).map(([key, value]) => ({
      tenant, id, key, value: encoded.of(value), created_ms, partition,
    })),
  ); // prettier-ignore
  await manager.query(
    `insert into run_attributes (tenant, id, key, value, created_ms, partition)
     select * from jsonb_to_recordset($1::jsonb) as row (tenant text, id text, key text, value text, created_ms bigint, partition int)`,
    [storableJson(entries)],
  );
}

/** A key is taken away by null; of too many the oldest stay. */
export function withAttributes(
  before: Attributes | null | undefined,
  set: Readonly<Record<string, AttributeValue | null>>,
): Attributes {
  const all = Object.entries({ ...before, ...set }).filter(
    (entry): entry is [string, AttributeValue] => entry[1] !== null,
  );
  return Object.fromEntries(all.slice(0, mostAttributes));
}

/** A run may have so many. */
export const mostAttributes = 32;
