import type { Json, LedgerEvent } from './events.js';

/** Turns one old version of an event's data into the next; the log itself is never rewritten. */
export interface Upcaster {
  /** The version that was written: `run.started.v1`. */
  from: string;
  /** The version that readers know: `run.started.v2`. */
  to: string;
  /** Pure. It gets the whole old event for what only the envelope tells. */
  up(data: Json, event: LedgerEvent): Json;
}

/** Applied to each event that is read; identity when there is nothing to do. */
export type Upcast = (event: LedgerEvent) => LedgerEvent;

/**
 * Chains upcasters by type, so that v1 reaches v3 through v2.
 * @throws TypeError when two start at one version or when they form a ring.
 */
export function upcasting(upcasters: readonly Upcaster[]): Upcast {
  const steps = new Map<string, Upcaster>();
  for (const step of upcasters) {
    if (steps.has(step.from)) throw new TypeError(`two upcasters start at ${step.from}`);
    steps.set(step.from, step);
  }
  for (const start of steps.keys()) {
    let at: string | undefined = steps.get(start)?.to;
    while (at !== undefined && at !== start) at = steps.get(at)?.to;
    if (at === start) throw new TypeError(`the upcasters from ${start} lead back to it`);
  }
  if (steps.size === 0) return (event) => event;
  return (event) => {
    let current = event;
    for (let step = steps.get(current.type); step; step = steps.get(current.type))
      current = { ...current, type: step.to, data: step.up(current.data, current) };
    return current;
  };
}
