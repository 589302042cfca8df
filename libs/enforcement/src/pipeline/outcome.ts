import { entryOf, failureOf } from '@writ/api';
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

/**
 * A refusal keeps its code, and so does an outage. Of any other error only the kind is recorded: its message may hold what
 * must not be in an event. An effect that failed for the moment only stays open.
 * @param repeatable doing it twice does no harm
 */
export function outcomeOf(problem: unknown, signal: AbortSignal, repeatable: boolean): Outcome {
  const { code, detail } = failureOfAct(problem, signal);
  const open = mayRetry(code, repeatable);
  return { ok: false, error: { code, detail: detail.slice(0, 1000), ...(open && { mayRetry: true }) } };
}

function failureOfAct(problem: unknown, signal: AbortSignal): { code: string; detail: string } {
  if (problem instanceof DomainError) return { code: problem.code, detail: problem.message };
  if (signal.aborted) return { code: 'request.cancelled', detail: 'the caller went away' };
  const failure = failureOf(problem);
  if (failure.bug === undefined) return failure;
  return { code: 'action.failed', detail: problem instanceof Error ? problem.name : 'the action failed' };
}

/** After a lost connection or a command without an answer nobody knows how far an act came: only what may be repeated is. */
const inDoubt = new Set(['service.unavailable', 'request.cancelled', 'request.deadline_exceeded', 'ledger.timeout']);

function mayRetry(code: string, repeatable: boolean): boolean {
  if (inDoubt.has(code)) return repeatable;
  return entryOf(code)?.retry === true;
}
