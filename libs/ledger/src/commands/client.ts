import type { Actor, LedgerEvent } from '../domain/events.js';

/** A change that is asked for. Without `id` it gets a new one, and only the retries inside `send` are deduplicated. */
export interface OutgoingCommand {
  tenant: string;
  aggregate: string;
  subject: string;
  command: { type: string } & object;
  actor: Actor;
  id?: string;
  cause?: string;
  trace?: string;
  /** Default: `partitionOf(tenant, subject)`. */
  partition?: number;
}

/** The answer to a command, given after its commit was acknowledged. */
export interface CommandResult {
  /** Of its last event; the partition's head where nothing had to change. */
  position: string;
  /** Read only: in one process they are the owner's own objects. */
  events: readonly LedgerEvent[];
  /** The id was seen before: this is the old answer. */
  duplicate: boolean;
}

/** Sends commands to whoever owns their partition. */
export interface CommandClient {
  /**
   * Retries with the same id until `timeoutMs` (default 10,000), so one call has one effect.
   * @throws DomainError what the decider refused; `ledger.unavailable` when no owner was reached;
   * `ledger.timeout` when the outcome is unknown; `ledger.too_large`.
   */
  send(command: OutgoingCommand, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<CommandResult>;
}
