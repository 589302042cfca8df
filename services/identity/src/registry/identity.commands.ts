import { setTimeout as pause } from 'node:timers/promises';
import type { Caller } from '@writ/api';
import type { CommandResult, Host, Ledger } from '@writ/ledger';
import { DomainError, formatPosition, type Actor } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import { kindOf } from '../principal/principal.js';
import type { TokenCommand } from '../token/token.js';
import { tokenEvents, type TokenIssued } from '../token/token.events.js';
import { registryView } from './registry.view.js';

const viewTimeoutMs = 2_000;
/** Until the grant of a run that never needed one is here. */
const grantTimeoutMs = 3_000;

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

  /** Has the owner decide on a token; the client that asks is the actor. A run may have no grant because nobody needed one before. */
  async issueToken(tenant: string, jti: string, command: TokenCommand): Promise<TokenIssued> {
    const kind = kindOf(command.client) ?? 'agent';
    const actor: Actor = { principal: command.client, kind };
    try {
      return await this.decideToken(tenant, jti, command, actor);
    } catch (error) {
      if (command.type !== 'issue_for_run' || !isUngranted(error)) throw error;
      if (!(await this.requestGrant(tenant, command.run, actor))) throw error;
    }
    return this.onceGranted(() => this.decideToken(tenant, jti, command, actor));
  }

  /** Has the scheduler, which knows of its start, send the run's grant. @returns false where there is no such run that goes on */
  private async requestGrant(tenant: string, run: string, actor: Actor): Promise<boolean> {
    const command = { type: 'authorize' };
    try {
      const about = { tenant, aggregate: 'run', subject: run, command, actor };
      await this.ledger.commands('scheduler').send(about, { timeoutMs: grantTimeoutMs });
      return true;
    } catch (error) {
      if (error instanceof DomainError && (error.code === 'run.not_found' || error.code === 'run.ended')) return false;
      throw error;
    }
  }

  /** What the scheduler was asked for comes by a command of its own, some milliseconds later; a grant that was refused never does. */
  private async onceGranted<T>(decide: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + grantTimeoutMs;
    for (let pauseMs = 2; ; pauseMs = Math.min(2 * pauseMs, 100))
      try {
        return await decide();
      } catch (error) {
        if (!isUngranted(error) || performance.now() > deadlineMs) throw error;
        await pause(pauseMs);
      }
  }

  private async decideToken(tenant: string, jti: string, command: TokenCommand, actor: Actor): Promise<TokenIssued> {
    const { events } = await this.ledger
      .commands('identity')
      .send({ tenant, aggregate: 'token', subject: jti, command, actor });
    return tokenEvents['token.issued.v1'].parse(events[0]?.data);
  }
}

function isUngranted(error: unknown): boolean {
  return error instanceof DomainError && error.code === 'identity.grant_not_found';
}
