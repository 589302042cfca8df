import type { LedgerEvent } from '@writ/ledger/domain';
import type { Entry } from './entry.js';
import { evolve } from './evolve.js';
import type { Content, Failure, RunEventData } from './run.events.js';
import { loopPrefix } from './loops.js';
import { RunIndex } from './run-index.js';
import type { Attempt, Open, RunRecord } from './run-record.js';

/** A run's history as a worker needs it: what came true, in order, and what is still open. */
export interface Journal {
  started: RunEventData<'run.started.v1'>;
  startedMs: number;
  trace: string | undefined;
  entries: Entry[];
  /** What stands open, also where the run was ended over its function's head; of one that has ended else nothing. */
  pending: readonly Open[];
  /** Where the journal begins with what was recorded before, by an earlier life of the run or by another one. */
  kept: KeptEntries[];
  end:
    | { state: 'succeeded'; content: Content }
    | { state: 'failed'; error: Failure }
    /** `returned`: its function had come to its end. */
    | { state: 'cancelled'; returned: boolean }
    | undefined;
}

/** The entries up to here are of a life that was called so, and ended then. */
export interface KeptEntries {
  life: string;
  entries: number;
  untilMs: number;
}

/**
 * Reads the events of one run. It goes through the very function that keeps the index, with a worker that only takes
 * notes: which message answered which wait is decided in one place.
 *
 * @returns undefined where the first event is not the run's start.
 */
export function journalOf(all: readonly LedgerEvent[]): Journal | undefined {
  const events = sinceStart(all);
  const [first] = events;
  if (first?.type !== 'run.started.v1') return undefined;
  const index = new RunIndex();
  index.noting = true;
  let pending: readonly Open[] = [];
  let run: RunRecord | undefined;
  let startedMs = Date.parse(first.time);
  const kept: KeptEntries[] = [];
  for (const [at, event] of remembered(events).entries()) {
    evolve(index, event, at + 1);
    run ??= index.get(event.tenant, event.subject);
    if (!run) return undefined;
    if (run.ended) break;
    run.live ??= recorder(run);
    pending = run.opens;
    if (event.type === 'run.kept.v1') {
      const { life, startedAt, until = event.time } = event.data as unknown as RunEventData<'run.kept.v1'>;
      startedMs = Date.parse(startedAt);
      kept.push({ life, entries: run.live.entries, untilMs: Date.parse(until) });
    }
  }
  const end = endOf(events[events.length - 1] as LedgerEvent);
  const cut = end?.state === 'cancelled' && !end.returned;
  return {
    started: first.data as unknown as RunEventData<'run.started.v1'>,
    startedMs,
    kept,
    trace: first.trace,
    entries: index.notes.flatMap((note) => (note.type === 'entry' ? [note.entry] : [])),
    pending: end && !cut ? [] : pending,
    end,
  };
}

/** The commit with a restart has the end of the life before, too. */
export function sinceStart(events: readonly LedgerEvent[]): readonly LedgerEvent[] {
  const start = events.findLastIndex(({ type }) => type === 'run.started.v1');
  return start > 0 ? events.slice(start) : events;
}

/** A commit that is read for one event may hold others that a loop has forgotten. */
function remembered(events: readonly LedgerEvent[]): readonly LedgerEvent[] {
  const generations = new Map<string, LedgerEvent>();
  for (const event of events)
    if (event.type === 'run.continued.v1') generations.set(loopPrefix(event.data as never), event);
  if (generations.size === 0) return events;
  const over = new Set(generations.keys());
  return events.filter((event) => {
    const { name } = event.data as { name?: string };
    if (event.type === 'run.continued.v1') {
      const prefix = loopPrefix(event.data as never);
      if (generations.get(prefix) === event) over.delete(prefix);
      else if (over.has(prefix)) return false;
    }
    for (const prefix of over) if (name?.startsWith(prefix)) return false;
    return true;
  });
}

function recorder(run: RunRecord): Attempt {
  return { token: '', session: '', run, entries: 0, idle: false, building: undefined, trace: undefined };
}

function endOf({ type, data }: LedgerEvent): Journal['end'] {
  if (type === 'run.succeeded.v1') {
    const { value, blob } = data as unknown as RunEventData<'run.succeeded.v1'>;
    return { state: 'succeeded', content: blob ? { blob } : value === undefined ? {} : { value } };
  }
  if (type === 'run.failed.v1')
    return { state: 'failed', error: (data as unknown as RunEventData<'run.failed.v1'>).error };
  if (type !== 'run.cancelled.v1') return undefined;
  return { state: 'cancelled', returned: (data as unknown as RunEventData<'run.cancelled.v1'>).returned ?? false };
}
