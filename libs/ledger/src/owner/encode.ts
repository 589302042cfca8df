import { deeperThan, deepest, tooDeep } from '../domain/depth.js';
import type { Command, EventDraft, LedgerEvent } from '../domain/events.js';
import { newId } from '../domain/ids.js';

/** An event as one line of a commit, and as everybody reads it back. */
export interface EncodedEvent {
  line: string;
  event: LedgerEvent;
}

/**
 * Optional members are left out, never null.
 * @param plain its data is exactly what reading its line back would give
 * @throws DomainError `ledger.too_deep`
 * @throws TypeError when its data cannot be JSON (a cycle, a BigInt): a bug of the decider
 */
export function encodeEvent(draft: EventDraft, command: Command, source: string, plain = false): EncodedEvent {
  const event: Omit<LedgerEvent, 'data'> & { data: unknown } = {
    specversion: '1.0',
    id: newId('evt'),
    type: draft.type,
    source,
    subject: draft.subject ?? command.subject,
    time: command.time,
    tenant: command.tenant,
    actor: command.actor,
    cause: command.cause ?? command.id,
    data: draft.data ?? null,
  };
  if (command.cause !== undefined && command.cause !== command.id) event.command = command.id;
  const trace = draft.trace ?? command.trace;
  if (trace !== undefined) event.trace = trace;
  if (deeperThan(event.data, deepest)) throw tooDeep(`the data of ${draft.type}`);
  const line = JSON.stringify(event);
  return { line, event: plain ? (event as LedgerEvent) : (JSON.parse(line) as LedgerEvent) };
}
