import { DomainError, type Json } from '@writ/ledger/domain';
import type { Outcome } from '../action/action.events.js';
import { sizeOf } from '../redact.js';

/** Bytes of a summary in an event; larger results belong into the blob store, with their hash in the summary. */
const MAX_SUMMARY = 65_536;

/** What a repeat of the effect is given. A cut value would be a wrong value, so a large one is left out as a whole. */
export function summaryOf(summary: Json): Json {
  const bytes = sizeOf(summary);
  return bytes <= MAX_SUMMARY ? summary : { omitted: true, bytes };
}

/** A refusal keeps its code. Of any other error only the kind is recorded: its message may hold what must not be in an event. */
export function outcomeOf(problem: unknown, signal: AbortSignal): Outcome {
  if (problem instanceof DomainError)
    return { ok: false, error: { code: problem.code, detail: problem.message.slice(0, 1000) } };
  if (signal.aborted) return { ok: false, error: { code: 'request.cancelled', detail: 'the caller went away' } };
  return {
    ok: false,
    error: { code: 'action.failed', detail: problem instanceof Error ? problem.name : 'the action failed' },
  };
}
