import type { ToolSchemaCommand } from '@writ/enforcement';
import type { Ledger, Reactor } from '@writ/ledger';
import { derivedId, type LedgerEvent } from '@writ/ledger/domain';
import type { ServerEvent } from './server.events.js';

/**
 * Tells policy the types of the arguments of what was approved, and to forget those of a server that is gone. The id derives from the event, so that the call that approved
 * and the reactor may both do it.
 *
 * @returns the last commit of policy's ledger that it led to; 0 where there was nothing to tell
 */
export async function registerSchemas(ledger: Ledger, events: readonly LedgerEvent[]): Promise<number> {
  let commit = 0;
  for (const event of events) {
    const command = commandOf(event);
    if (command === undefined) continue;
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

function commandOf({ subject, ...event }: LedgerEvent): ToolSchemaCommand | undefined {
  const { type, data } = event as unknown as ServerEvent;
  switch (type) {
    case 'tool.approved.v1': {
      const { name, inputSchema } = data.definition;
      return { type: 'register', tools: [{ tool: `${subject}/${name}`, inputSchema }] };
    }
    case 'server.removed.v1':
      return data.tools && { type: 'remove', tools: data.tools.map((name) => `${subject}/${name}`) };
    default:
      return undefined;
  }
}

/** Does the same where whoever approved was interrupted, and after a server was removed. */
export function schemaReactor(ledger: Ledger): Reactor {
  return {
    name: 'tool-schemas',
    events: ['tool.approved.v1', 'server.removed.v1'],
    handle: async (event) => void (await registerSchemas(ledger, [event])),
  };
}
