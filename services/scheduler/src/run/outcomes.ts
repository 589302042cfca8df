import type { EntryOutcome } from './entry.js';
import type { RunEventData } from './run.events.js';
import { failureOf } from './joins.js';

/** The value of an event; nothing for `undefined`. */
export function contentOf({ value, blob }: { value?: unknown; blob?: unknown }): { value?: never; blob?: never } {
  return (blob !== undefined ? { blob } : value === undefined ? {} : { value }) as never;
}

/** What a child took back, as its parent says it. */
export function undoneOf({ child, undone = [] }: { child: string; undone?: string[] | undefined }): string[] {
  return undone.map((step) => (step.includes(': ') ? step : `${child}: ${step}`));
}

/** How a child ended, for the wait for it. */
export function resultOf(outcome: RunEventData<'run.child_ended.v1'>): EntryOutcome {
  if (outcome.state === 'succeeded') return { type: 'completed', content: contentOf(outcome) };
  return { type: 'failed', error: failureOf(outcome) };
}
