import type { CommandClient } from '@writ/ledger';
import { derivedId, DomainError, type LedgerEvent } from '@writ/ledger/domain';
import type { Questions } from '../outside/questions.js';
import { amountText, plus } from './budget.js';
import type { Amount, EndedBudget } from './budget.events.js';
import type { RunCommand } from './run.commands.js';
import type { RunEventData, RunEventType } from './run.events.js';
import type { RunLookup } from './run-lookup.js';

/** How long a run whose time is over, and to which nobody grants more, has to clean up. */
const graceMs = 30_000;
/** A person is asked for so long; then again, when the next amount is refused. */
const questionMs = 7 * 24 * 3_600_000;

export const budgetReactions: readonly RunEventType[] = [
  'run.step_failed.v1',
  'run.child_deferred.v1',
  'run.paused.v1',
  'run.budget_exhausted.v1',
  'run.budget_added.v1',
  'run.budget_refused.v1',
];

/** What an answer may say: how much more. */
const schema = {
  type: 'object',
  properties: {
    usd: { type: 'number', minimum: 0 },
    tokens: { type: 'integer', minimum: 0 },
    toolCalls: { type: 'integer', minimum: 0 },
    children: { type: 'integer', minimum: 0 },
    time: { type: 'string', pattern: '^[0-9]{1,9}(ms|s|m|h|d)$' },
  },
  additionalProperties: false,
};

export interface BudgetReactionParts {
  runs: CommandClient;
  questions: Questions;
  lookup: Pick<RunLookup, 'facts'>;
  approvalAwaited(tenant: string, approval: string): Promise<void>;
}

/** What follows when a budget is used up, or has more, in the runs that spend from it. Everything may happen twice. */
export class BudgetReactions {
  constructor(private readonly parts: BudgetReactionParts) {}

  async handle(event: LedgerEvent): Promise<void> {
    switch (event.type as RunEventType) {
      case 'run.step_failed.v1': {
        const { budget } = event.data as unknown as RunEventData<'run.step_failed.v1'>;
        if (budget) await this.await(event, budget);
        return;
      }
      case 'run.child_deferred.v1':
        return this.await(event, (event.data as unknown as RunEventData<'run.child_deferred.v1'>).budget);
      case 'run.paused.v1':
        if ((event.data as unknown as RunEventData<'run.paused.v1'>).reason === 'budget') await this.await(event, {});
        return;
      case 'run.budget_exhausted.v1':
        return this.ask(event, event.data as unknown as RunEventData<'run.budget_exhausted.v1'>);
      case 'run.budget_added.v1':
        return this.added(event, event.data as unknown as RunEventData<'run.budget_added.v1'>);
      default: {
        const { waiting = [], by, reason } = event.data as unknown as RunEventData<'run.budget_refused.v1'>;
        return this.refuse(event, waiting, by, reason);
      }
    }
  }

  /** What its end leaves over goes back to where it was reserved from; who waits for it, waits in vain. */
  async ended(event: LedgerEvent): Promise<void> {
    const { budget } = event.data as unknown as { budget?: EndedBudget };
    if (!budget) return;
    const { from, used, waiting = [] } = budget;
    if (from !== undefined)
      await this.send(event, from, { type: 'settle', id: event.subject, used: plus(used, { children: 1 }) });
    await this.refuse(event, waiting, undefined, `run ${event.subject} has ended, and its budget with it`);
  }

  /** A run stands still for want of budget: it goes on when there is more, and at once if that has come meanwhile. */
  private async await(event: LedgerEvent, need: Amount): Promise<void> {
    const { tenant, subject: by } = event;
    const facts = await this.parts.lookup.facts(tenant, by);
    if (!facts?.budget) return;
    const { account } = facts.budget;
    try {
      const waits = await this.send(event, account, { type: 'await_budget', by, need });
      if (waits) return;
      const above = await this.parts.lookup.facts(tenant, account);
      await this.send(event, by, refilled(above?.budget?.deadline));
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.budget_closed') throw error;
      await this.refuse(event, [by], undefined, error.message);
    }
  }

  private async ask(event: LedgerEvent, data: RunEventData<'run.budget_exhausted.v1'>): Promise<void> {
    const { tenant, subject: run, actor } = event;
    const { approval, lacking, need, by, limits, used } = data;
    const what = lacking.map((of) => amountText(of, used, limits)).join(', ');
    await this.parts.questions.ask(event, {
      tenant,
      run,
      approval,
      title: `More budget for run ${run}? ${what}`.slice(0, 300),
      detail: { need: { ...need }, by, limits: { ...limits }, used: { ...used } } as never,
      schema,
      approvers: [],
      agent: actor.principal,
      expires: new Date(Date.parse(event.time) + questionMs).toISOString(),
    });
    await this.parts.approvalAwaited(tenant, approval);
  }

  private async added(event: LedgerEvent, data: RunEventData<'run.budget_added.v1'>): Promise<void> {
    const { amount, deadline, from, waiting = [] } = data;
    const { subject: id } = event;
    // First above, where it is a share: nothing is spent here that is not reserved there.
    if (from !== undefined) await this.send(event, from, { type: 'extend_budget', id, cause: event.id, amount });
    await Promise.all(waiting.map((run) => this.send(event, run, refilled(deadline))));
  }

  private async refuse(event: LedgerEvent, waiting: readonly string[], by?: string, reason?: string): Promise<void> {
    const command = {
      type: 'budget_refused' as const,
      graceMs,
      ...(by !== undefined && { by }),
      ...(reason !== undefined && { reason }),
    };
    await Promise.all(waiting.map((run) => this.send(event, run, command)));
  }

  /** @returns whether anything changed */
  private async send(event: LedgerEvent, run: string, command: RunCommand): Promise<boolean> {
    const { tenant, actor, id: cause, trace } = event;
    const id = derivedId('cmd', cause, command.type, run);
    const traced = trace === undefined ? {} : { trace };
    try {
      const { events } = await this.parts.runs.send({
        tenant, actor, aggregate: 'run', subject: run, command, id, cause, ...traced,
      }); // prettier-ignore
      return events.length > 0;
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'run.not_found') throw error;
      if (command.type === 'await_budget') throw new DomainError('run.budget_closed', `run ${run} has ended`);
      return false;
    }
  }
}

function refilled(deadline: string | undefined): RunCommand {
  return { type: 'refilled', ...(deadline !== undefined && { deadlineMs: Date.parse(deadline) }) };
}
