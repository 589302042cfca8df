import { refuse, type Aggregate, type Json } from '@writ/ledger/domain';
import type { MemoryEvent } from './memory.events.js';

/** One observation. Its text is kept verbatim until it is forgotten; then only the fact that it was there stays. */
export type Memory =
  | { status: 'none' }
  | { status: 'kept'; scope: string; text: string; attributes: Record<string, Json> }
  | { status: 'forgotten'; scope: string };

export type MemoryCommand =
  | { type: 'remember'; scope: string; text: string; attributes?: Record<string, Json>; run?: string }
  | { type: 'forget'; reason: string };

/** Pure: what may happen to one observation. */
export function decide(command: MemoryCommand, memory: Memory, subject: string): MemoryEvent[] {
  switch (command.type) {
    case 'remember': {
      if (memory.status === 'forgotten') throw refuse('memory.forgotten', `${subject} was forgotten and stays so`);
      const { scope, text, attributes = {}, run } = command;
      if (memory.status === 'none')
        return [{ type: 'memory.remembered.v1', data: { scope, text, attributes, ...(run && { run }) } }];
      if (memory.text === text && memory.scope === scope) return []; // a retried call is a success, not a second memory
      throw refuse(
        'memory.exists',
        `${subject} already holds another text; an observation never changes, remember a new one`,
      );
    }
    case 'forget':
      if (memory.status === 'none') throw refuse('memory.not_found', `there is no memory ${subject}`);
      if (memory.status === 'forgotten') return [];
      return [{ type: 'memory.forgotten.v1', data: { scope: memory.scope, reason: command.reason } }];
  }
}

/** Total: never throws, checks no rule. */
export function evolve(memory: Memory, event: MemoryEvent): Memory {
  switch (event.type) {
    case 'memory.remembered.v1': {
      const { scope, text, attributes } = event.data;
      return { status: 'kept', scope, text, attributes };
    }
    case 'memory.forgotten.v1':
      return { status: 'forgotten', scope: event.data.scope };
    default:
      return memory;
  }
}

export const memoryAggregate: Aggregate<Memory, MemoryCommand, MemoryEvent> = {
  name: 'memory',
  initial: { status: 'none' },
  events: ['memory.remembered.v1', 'memory.forgotten.v1'],
  decide: (command, memory, { subject }) => decide(command, memory, subject),
  evolve: (memory, event) => evolve(memory, event as MemoryEvent),
};
