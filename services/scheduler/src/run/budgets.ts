import type { CommandClient } from '@writ/ledger';
import { DomainError, refuse, type Actor } from '@writ/ledger/domain';
import type { Amount, Limits } from './budget.events.js';
import { mustBeReserved } from './decide-budget.js';
import type { RunCommand } from './run.commands.js';

/** Who spends, and from which account. */
export interface Spender {
  tenant: string;
  actor: Actor;
  account: string;
  trace?: string | undefined;
}

/** A child that is to be started below an account. */
export interface NewChild extends Spender {
  child: string;
  /** Of its own. */
  limits?: Limits | undefined;
}

/** The way to accounts, wherever the owners of their runs are. Nothing is done twice: what was reserved under an id is reserved. */
export class Budgets {
  constructor(private readonly runs: CommandClient) {}

  /** @throws DomainError `run.budget_exhausted`, `run.budget_closed` */
  async reserve(spender: Spender, by: string, id: string, amount: Amount): Promise<void> {
    const { events } = await this.send(spender, { type: 'reserve', id, by, amount });
    mustBeReserved(spender.account, events);
  }

  async settle(spender: Spender, id: string, used: Amount): Promise<void> {
    await this.send(spender, { type: 'settle', id, used });
  }

  /**
   * Counts a child and reserves limits of its own before it is started. Where it is refused afterwards its share is free again; as a child
   * it stays counted unless it had one.
   * @throws DomainError `run.budget_exhausted`, `run.budget_incomplete`, `run.budget_closed`
   */
  async startingChild<T>({ child, limits, ...spender }: NewChild, start: () => Promise<T>): Promise<T> {
    const { timeMs: _, depth: __, ...amount } = limits ?? {};
    const kind = limits ? ({ start: 'share' } as const) : ({ start: 'child', settled: true } as const);
    await this.send(spender, { type: 'reserve', id: child, by: child, amount, ...kind });
    try {
      return await start();
    } catch (error) {
      // Where it is not known whether it was started its share stays reserved; who starts it again finds it.
      if (limits && error instanceof DomainError && !error.code.startsWith('ledger.'))
        await this.settle(spender, child, {});
      throw error;
    }
  }

  /** @throws DomainError `run.budget_closed` where the run has ended, also long ago */
  private async send({ tenant, actor, account, trace }: Spender, command: RunCommand) {
    try {
      return await this.runs.send({
        tenant, actor, aggregate: 'run', subject: account, command, ...(trace !== undefined && { trace }),
      }); // prettier-ignore
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.not_found') throw error;
      throw refuse('run.budget_closed', `run ${account} has ended, and its budget with it`, { account });
    }
  }
}
