import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { derivedId, refuse } from '@writ/ledger/domain';
import {
  BudgetService,
  type AddBudgetRequest,
  type Limits,
  type ReserveBudgetRequest,
  type SettleBudgetRequest,
} from '@writ/proto/run/v1/budget';
import { Budgets, type Spender } from '../run/budgets.js';
import { actorsOf } from '../run/run-record.js';
import type { Scheduler } from '../scheduler.js';
import { amountOf, limitsOf } from './limits.js';
import { may } from './may.js';
import { SCHEDULER } from './tokens.js';

/** Implements `writ.run.v1.BudgetService`; paths, validation and required capabilities stand in the proto. */
@ApiService(BudgetService)
export class BudgetApi implements ServiceImplementation<typeof BudgetService> {
  private readonly budgets: Budgets;

  constructor(@Inject(SCHEDULER) private readonly scheduler: Scheduler) {
    this.budgets = new Budgets(scheduler.runs);
  }

  async addBudget({ id, add, idempotencyKey }: AddBudgetRequest, caller: Caller) {
    may(caller, 'run.budget', id);
    if (caller.run !== undefined)
      throw refuse('auth.missing_capability', 'what acts in a run adds to no budget', { requires: 'run.budget' });
    const { tenant, actor, trace, principal } = caller;
    const command = { type: 'add_budget' as const, limits: limitsOf(add as Limits), by: principal };
    const { position } = await this.scheduler.runs.send({
      tenant, actor, aggregate: 'run', subject: id, command,
      ...(idempotencyKey !== '' && { id: derivedId('cmd', id, 'add_budget', principal, idempotencyKey) }),
      ...(trace !== undefined && { trace }),
    }); // prettier-ignore
    return { position };
  }

  async reserveBudget({ id, reservation, amount }: ReserveBudgetRequest, caller: Caller) {
    const spender = await this.spender(id, caller);
    if (spender) await this.budgets.reserve(spender, id, `${id}/${reservation}`, amountOf(amount));
    return {};
  }

  async settleBudget({ id, reservation, used }: SettleBudgetRequest, caller: Caller) {
    const spender = await this.spender(id, caller);
    if (spender) await this.budgets.settle(spender, `${id}/${reservation}`, amountOf(used));
    return {};
  }

  /** Whoever serves a run spends from its budget, and nobody else; a run without any spends freely. */
  private async spender(run: string, caller: Caller): Promise<Spender | undefined> {
    const { tenant, actor, principal, trace } = caller;
    const facts = await this.scheduler.lookup.facts(tenant, run);
    if (!facts || !actorsOf(facts).includes(principal))
      throw refuse('run.not_found', `there is no run ${run}`, { run });
    return facts.budget && { tenant, actor, account: facts.budget.account, trace };
  }
}
