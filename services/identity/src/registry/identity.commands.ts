import type { Caller } from '@writ/api';
import type { CommandResult, Host, Ledger } from '@writ/ledger';
import { formatPosition, type Actor } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import { kindOf } from '../principal/principal.js';
import type { TokenCommand } from '../token/token.js';
import { tokenEvents, type TokenIssued } from '../token/token.events.js';
import { registryView } from './registry.view.js';

const viewTimeoutMs = 2_000;

/** In whose name identity itself acts. */
export const itself: Actor = { principal: 'identity', kind: 'service' };

/** Sends commands to the owner of identity's partition, and waits for the view where a caller will need it at once. */
export class IdentityCommands {
  constructor(
    private readonly ledger: Ledger,
    private readonly host: Host,
  ) {}

  /** @throws DomainError what the decider refused, or `ledger.*` */
  send(
    caller: Pick<Caller, 'tenant' | 'actor' | 'trace' | 'signal'>,
    aggregate: string,
    subject: string,
    command: { type: string; [field: string]: unknown },
    tenant = caller.tenant,
  ): Promise<CommandResult> {
    const { actor, trace, signal } = caller;
    return this.ledger
      .commands('identity')
      .send({ tenant, aggregate, subject, command, actor, ...(trace && { trace }) }, { signal });
  }

  /** The same, and the view has seen it: a new client can ask for a token with the next request. */
  async sendAndSee(...sent: Parameters<IdentityCommands['send']>): Promise<CommandResult> {
    const result = await this.send(...sent);
    await this.see(result.position);
    return result;
  }

  /** Waits (bounded) until the view has this position. Empty: does not wait. @throws DomainError `request.invalid` */
  async see(position: string): Promise<void> {
    await viewReaches(this.host, registryView, position, viewTimeoutMs);
  }

  /** Waits (bounded) until the view has all that is in the ledger now. */
  async seeEverything(): Promise<void> {
    const commit = await this.ledger.last('identity', 0);
    await this.see(formatPosition({ service: 'identity', partition: 0, commit, index: 0 }));
  }

  /** Has the owner decide on a token; the client that asks is the actor. */
  async issueToken(tenant: string, jti: string, command: TokenCommand): Promise<TokenIssued> {
    const kind = kindOf(command.client) ?? 'agent';
    const actor: Actor = { principal: command.client, kind };
    const { events } = await this.ledger
      .commands('identity')
      .send({ tenant, aggregate: 'token', subject: jti, command, actor });
    return tokenEvents['token.issued.v1'].parse(events[0]?.data);
  }
}
