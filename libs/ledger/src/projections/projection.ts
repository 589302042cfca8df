import type { EntityManager } from 'typeorm';
import type { LedgerEvent } from '../domain/events.js';
import type { Position } from '../domain/positions.js';

/** A view of the ledger in Postgres. Rows and checkpoint are one transaction, so every event has its effect once. */
export interface Projection {
  /** Names its checkpoint; unique within the service. */
  readonly name: string;
  /** Raise it to rebuild: the checkpoint starts again from 0 and `reset` is called first. Default 1. */
  readonly version?: number;
  /**
   * Commits wait for the next multiple of so many milliseconds, so that one transaction takes many, of all partitions; for the next of
   * five times as many after one of more than 100 events. Whoever waits for the view cuts it short. Default 0; 100 after commits that
   * had nothing for it.
   */
  readonly restMs?: number;
  /** Only these types reach `apply`. Default: all. */
  readonly events?: readonly string[];
  /**
   * Writes rows through `manager`, which is inside the transaction. Many commits at once, of several partitions; the events of each
   * partition come in order.
   */
  apply(
    events: readonly { readonly event: LedgerEvent; readonly position: Position }[],
    manager: EntityManager,
  ): Promise<void>;
  /** Removes the rows of one partition before a rebuild. */
  reset?(partition: number, manager: EntityManager): Promise<void>;
}
