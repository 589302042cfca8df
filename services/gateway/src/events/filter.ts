import type { LedgerEvent } from '@writ/ledger/domain';

/** What a subscriber wants to see; absent fields match everything. */
export interface EventFilter {
  readonly tenant: string;
  /** Exact types, or prefixes that end in `*`. */
  readonly types?: readonly string[];
  readonly subject?: string;
  /** The run's own events and those that other services recorded for it. */
  readonly run?: string;
}

/** Whether an event is for this subscriber. The tenant is not a filter but a wall: it comes from the token. */
export function matches(event: LedgerEvent, filter: EventFilter): boolean {
  if (event.tenant !== filter.tenant) return false;
  if (filter.subject !== undefined && event.subject !== filter.subject) return false;
  if (filter.run !== undefined && !isOfRun(event, filter.run)) return false;
  if (filter.types === undefined || filter.types.length === 0) return true;
  return filter.types.some((type) =>
    type.endsWith('*') ? event.type.startsWith(type.slice(0, -1)) : event.type === type,
  );
}

/** Its own event, one that it caused, or one that says whose it is: an approval is requested by a service, for a run. */
function isOfRun({ subject, actor, data }: LedgerEvent, run: string): boolean {
  if (subject === run || actor.run === run) return true;
  return typeof data === 'object' && data !== null && !Array.isArray(data) && data['run'] === run;
}
