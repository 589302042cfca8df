import type { LedgerEvent } from '../domain/events.js';
import type { DomainError } from '../domain/refusals.js';

/** What a command gets, once nothing can take it back. Lines are the events as they were encoded for the log. */
export interface Answer {
  position: string;
  lines: readonly string[];
  /** The parsed lines. */
  events: readonly LedgerEvent[];
  duplicate: boolean;
}

/** Called exactly once. */
export type Done = (refusal: DomainError | undefined, answer: Answer | undefined) => void;
