import type { ToolSchemaCommand } from '@writ/enforcement';
import type { Ledger, Reactor } from '@writ/ledger';
import { derivedId, type LedgerEvent } from '@writ/ledger/domain';
import type { ServerEvent } from './server.events.js';

/**
 * Tells policy the types of the arguments of what was approved. The id derives from the event, so that the call that approved
 * and the reactor may both do it.
 *
 * @returns the last commit of policy's ledger that it led to; 0 where there was nothing to tell
 */
export async function registerSchemas(ledger: Ledger, events: readonly LedgerEvent[]): Promise<number> {
  let commit = 0;
  for (const event of events) {
    if (event.type !== 'tool.approved.v1') continue;
    const { definition } = (event as unknown as Extract<ServerEvent, { type: 'tool.approved.v1' }>).data;
    const command: ToolSchemaCommand = {
      type: 'register',
      tools: [{ tool: `${event.subject}/${definition.name}`, inputSchema: definition.inputSchema }],
    };
    const { position } = await ledger.commands('policy').send({
      tenant: event.tenant,
      aggregate: 'tool_schema',
      subject: event.tenant,
      command,
      actor: event.actor,
      id: derivedId('cmd', event.id, 'tool_schema'),
      cause: event.id,
      ...(event.trace !== undefined && { trace: event.trace }),
    });
    commit = Math.max(commit, Number(position.split('/')[2]));
  }
  return commit;
}

/** Does the same where whoever approved was interrupted. */
export function schemaReactor(ledger: Ledger): Reactor {
  return {
    name: 'tool-schemas',
    events: ['tool.approved.v1'],
    handle: async (event) => void (await registerSchemas(ledger, [event])),
  };
}
