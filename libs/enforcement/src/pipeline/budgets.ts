import type { CommandClient } from '@writ/ledger';
import { DomainError, refuse, type ErrorCatalogue } from '@writ/ledger/domain';
import type { ActingCaller } from './request.js';

/** What an action takes out of the budget of the run in which it is done. Money is in nano-USD. */
export interface Cost {
  readonly toolCalls?: number;
  readonly tokens?: number;
  readonly nanoUsd?: number;
}

/** Refusals of the scheduler, which keeps budgets. */
export const budgetErrors = {
  'run.budget_exhausted': { status: 429, title: 'The budget of the run is used up' },
  'run.budget_closed': { status: 409, title: 'The run whose budget it is has ended' },
} as const satisfies ErrorCatalogue;

/**
 * Budgets of runs, by commands to the scheduler, which counts each effect once. A token that names no account costs nothing here.
 *
 * What is known beforehand is charged; of what is known only afterwards (tokens of a model) the most is reserved and what it was is settled. A
 * reservation that is never settled, since its holder died, counts as spent: it is held until the run with the budget ends.
 */
export class Budgets {
  constructor(private readonly scheduler: CommandClient) {}

  /** Takes what the effect costs, whatever comes of it. @throws DomainError `run.budget_exhausted`, `run.budget_closed`, `ledger.*` */
  charge(caller: ActingCaller, account: string, effectId: string, cost: Cost): Promise<void> {
    return this.take(caller, account, effectId, cost, true);
  }

  /** Takes the most that the effect can cost. @throws DomainError `run.budget_exhausted`, `run.budget_closed`, `ledger.*` */
  reserve(caller: ActingCaller, account: string, effectId: string, most: Cost): Promise<void> {
    return this.take(caller, account, effectId, most, false);
  }

  /** What it did cost; the rest is free again. A repeat changes nothing. */
  async settle(caller: ActingCaller, account: string, effectId: string, used: Cost): Promise<void> {
    await this.send(caller, account, { type: 'settle', id: effectId, used });
  }

  private async take(caller: ActingCaller, account: string, id: string, amount: Cost, settled: boolean): Promise<void> {
    const by = caller.run ?? account;
    const { events } = await this.send(caller, account, {
      type: 'reserve',
      id,
      by,
      amount,
      ...(settled && { settled }),
    });
    const exhausted = events.find(({ type }) => type === 'run.budget_exhausted.v1');
    if (!exhausted) return;
    const lacking = (exhausted.data as { lacking: string[] }).lacking.join(', ');
    throw refuse('run.budget_exhausted', `the budget of run ${account} is used up: ${lacking}`, {
      account,
      lacking,
      ...(amount as Record<string, number>),
    });
  }

  private async send(
    { tenant, actor, trace }: ActingCaller,
    account: string,
    command: { type: string } & Record<string, unknown>,
  ) {
    try {
      return await this.scheduler.send({
        tenant, actor, aggregate: 'run', subject: account, command, ...(trace !== undefined && { trace }),
      }); // prettier-ignore
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.not_found') throw error;
      throw refuse('run.budget_closed', `run ${account} has ended, and its budget with it`, { account });
    }
  }
}
