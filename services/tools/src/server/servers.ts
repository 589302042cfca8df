import { setTimeout as sleep } from 'node:timers/promises';
import type { Caller } from '@writ/api';
import type { Enforcement } from '@writ/enforcement';
import type { CommandResult, Host, Ledger, Logger } from '@writ/ledger';
import { refuse, type Actor } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import type { Announcements } from '../mcp/announcements.js';
import type { Connections, Discover } from '../upstream/connections.js';
import type { Address } from '../upstream/upstream.js';
import type { ServerCommand } from './server.js';
import { WORKER } from './server.js';
import type { ToolDefinition } from './server.events.js';
import { registerSchemas } from './tool-schemas.js';
import { TOOLS_VIEW } from './server.view.js';

const VIEW_WAIT_MS = 5_000;
const POLICY_WAIT_MS = 2_000;
const POLICY_LOOK_MS = 5;

/** Whose discoveries these are: nobody asked for them. */
const self: Actor = { principal: 'svc_tools', kind: 'service' };

/** What the shell of servers stands on. */
export interface ServersParts {
  readonly ledger: Ledger;
  readonly host: Host;
  readonly enforcement: Enforcement;
  readonly log: Logger;
  readonly announcements: Pick<Announcements, 'changed'>;
}

/** Servers and their definitions, as they come into the ledger. */
export class Servers {
  constructor(private readonly parts: ServersParts) {}

  /** What a connection tells of its server. */
  readonly discover: Discover = async ({ tenant, server }, tools) => {
    const { position, events } = await this.send(tenant, self, server, { type: 'discover', tools });
    await this.upTo(position);
    if (events.length > 0) this.changed(tenant);
  };

  /**
   * Connects a server; what it offers is in quarantine then. A server that cannot be reached is not added.
   *
   * @throws DomainError `tools.server_exists`, `tools.reserved_name`, `tools.upstream_failed`, `tools.host_refused`, `tools.duplicate_name`
   */
  async add(caller: Caller, address: Address, connections: Connections): Promise<{ position: string }> {
    const { server, spec } = address;
    const added = await this.send(caller.tenant, caller.actor, server, { type: 'add', spec }, caller.trace);
    try {
      await connections.get(address, { now: true });
    } catch (error) {
      if (added.events.length > 0) await this.remove(caller, server);
      throw error;
    }
    await this.upTo(added.position);
    return { position: added.position };
  }

  async remove({ tenant, actor, trace }: Caller, server: string): Promise<{ position: string }> {
    const { position } = await this.send(tenant, actor, server, { type: 'remove' }, trace);
    await this.upTo(position);
    this.changed(tenant);
    return { position };
  }

  /** @throws DomainError `tools.not_found`, `tools.server_not_found`, `tools.definition_changed`; `tool_schema.invalid` of policy */
  async approve(caller: Caller, server: string, tool: string, hash: string): Promise<{ position: string }> {
    const { tenant, actor, trace, principal: by } = caller;
    return this.approved(tenant, await this.send(tenant, actor, server, { type: 'approve', tool, hash, by }, trace));
  }

  /** Tools whose code runs in the caller's workers. */
  async register(caller: Caller, tools: readonly ToolDefinition[]): Promise<{ position: string }> {
    const { tenant, actor, trace, principal: by } = caller;
    return this.approved(tenant, await this.send(tenant, actor, WORKER, { type: 'register', tools, by }, trace));
  }

  /** Waits until the view has a position. @throws DomainError `tools.view_behind` */
  async upTo(position: string): Promise<void> {
    if (await viewReaches(this.parts.host, TOOLS_VIEW, position, VIEW_WAIT_MS)) return;
    throw refuse('tools.view_behind', `the view has not reached ${position} within ${VIEW_WAIT_MS} ms; try again`);
  }

  /** Whoever approved may call at once: the view has it, and so have the policies of this process. */
  private async approved(tenant: string, { events, position }: CommandResult): Promise<{ position: string }> {
    const { ledger, enforcement } = this.parts;
    const commit = await registerSchemas(ledger, events);
    const until = performance.now() + POLICY_WAIT_MS;
    while (enforcement.policies.commit < commit && performance.now() < until) await sleep(POLICY_LOOK_MS);
    await this.upTo(position);
    if (events.length > 0) this.changed(tenant);
    return { position };
  }

  private changed(tenant: string): void {
    this.parts.announcements.changed({ tenant, what: 'tools' });
  }

  private send(
    tenant: string,
    actor: Actor,
    server: string,
    command: ServerCommand,
    trace?: string,
  ): Promise<CommandResult> {
    return this.parts.ledger.commands('tools').send({
      tenant,
      aggregate: 'server',
      subject: server,
      command,
      actor,
      ...(trace !== undefined && { trace }),
    });
  }
}
