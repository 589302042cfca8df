import { refuse, type DomainError } from './refusals.js';

/**
 * How deep a command, and the data of an event, may nest. Readers of JSON stop somewhere (protobuf's at 100, and it counts
 * what the event is wrapped in), and an event that one of them cannot read would be in the log for ever.
 */
export const deepest = 90;

/** Whether arrays and objects stand in each other more than `levels` deep. Looks no further down than that. */
export function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (deeperThan(item, levels - 1)) return true;
    return false;
  }
  for (const key in value) if (deeperThan((value as Record<string, unknown>)[key], levels - 1)) return true;
  return false;
}

export function tooDeep(what: string): DomainError {
  return refuse('ledger.too_deep', `${what} nests deeper than ${deepest} levels`, { most: deepest });
}
