import type { LedgerEvent } from '../domain/events.js';
import type { Position } from '../domain/positions.js';

/**
 * What must follow an event. It runs where the partition is owned, from its own checkpoint, at least once and in order.
 * Commands it sends carry ids derived from the event's id (`derivedId`), so that a repeat is harmless.
 */
export interface Reactor {
  /** Names its checkpoint; unique within the service, `[a-z0-9-]+`. */
  readonly name: string;
  /** Only these types reach `handle`. Default: all. */
  readonly events?: readonly string[];
  /** How many events are handled at once; those of one subject always one after another. Default 1: strictly in order. */
  readonly parallel?: number;
  /** With `parallel`: events of these types that follow each other in one subject are handled at once, in no order. */
  readonly together?: readonly string[];
  /**
   * A throw is retried with backoff (50 ms to 5 s) and holds the events after it back. A refusal (DomainError without
   * `retry` in its catalogue: not `ledger.unavailable` or `ledger.timeout`) parks the event: it is set aside, told in health, and the next one follows.
   * @param signal aborted when the partition is given up; what is not finished is handled again by its next owner
   */
  handle(event: LedgerEvent, position: Position, signal: AbortSignal): Promise<void>;
}
