import { refuse, type Json } from '@writ/ledger/domain';
import type { Content } from '../run/run.events.js';
import type { Limits, Ticket } from './queue.events.js';

export const mostKey = 200;
/** The API says the same. */
export const mostPriority = 9;
/** Of what one run takes of a rate. */
export const mostCost = 1_000_000;

/** What a start says about its place in a queue. */
export interface Wanted {
  queue: string;
  input: Content;
  key?: string;
  priority?: number;
}

/** What a run will go by in its queue. @throws DomainError `queue.no_key`, `queue.bad_cost` */
export function ticketOf(limits: Limits, { queue, input, key: named, priority }: Wanted): Ticket {
  const key = named ?? keyIn(limits, queue, input);
  const cost = limits.cost === undefined ? undefined : costIn(limits.cost, queue, input);
  return {
    ...(key !== undefined && { key }),
    ...(cost !== undefined && cost !== 1 && { cost }),
    ...(priority !== undefined && priority !== 0 && { priority }),
  };
}

function keyIn({ key: path, keyConcurrency, keyRate }: Limits, queue: string, input: Content): string | undefined {
  const value = path === undefined ? undefined : at(input, path);
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    const key = String(value);
    if (key !== '' && key.length <= mostKey) return key;
  }
  if (path === undefined && keyConcurrency === undefined && keyRate === undefined) return undefined;
  const what =
    path === undefined
      ? 'its start names none'
      : `${missing(input, path)} a text of 1 to ${mostKey} characters, a number or a boolean`;
  throw refuse('queue.no_key', `queue ${queue} has limits for each key, and ${what}`, { queue });
}

function costIn(path: string, queue: string, input: Content): number {
  const value = at(input, path);
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= mostCost) return value as number;
  const what = `${missing(input, path)} a whole number from 1 to ${mostCost}`;
  throw refuse('queue.bad_cost', `queue ${queue} takes from the input what a run costs, and ${what}`, { queue });
}

function missing(input: Content, path: string): string {
  return input.blob
    ? `the input is too large to look for '${path}' in, which must be`
    : `'${path}' of the input is not`;
}

/** The value at a path such as `items.0.sku`; what is inherited is not there. */
function at({ value }: Content, path: string): Json | undefined {
  let here: Json | undefined = value;
  for (const part of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return undefined;
    here = (here as Record<string, Json>)[part];
  }
  return here;
}
