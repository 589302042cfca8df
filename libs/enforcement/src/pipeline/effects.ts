import type { CommandClient, CommandResult, Logger } from '@writ/ledger';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { ActionCommand } from '../action/action.js';
import type { Outcome, Refused } from '../action/action.events.js';
import type { DecisionRecord } from '../decision.js';
import { recordOf, refOf, type Call } from './call.js';
import type { ActingCaller, ActionRequest, Replayed, UnknownOutcome } from './request.js';

/** A refusal must not wait for a ledger that is away. */
const REFUSAL_TIMEOUT_MS = 2_000;

/** Effects in the ledger of the service that performs them. */
export class Effects {
  /** `partition`: where they are recorded, if it does not follow from the effect id. */
  constructor(
    private readonly actions: CommandClient,
    private readonly options: { readonly partition?: number; readonly log?: Logger } = {},
  ) {}

  /** @throws DomainError `action.*`, `ledger.*` */
  send(caller: ActingCaller, effectId: string, command: ActionCommand, timeoutMs?: number): Promise<CommandResult> {
    const { tenant, actor, trace } = caller;
    const { partition } = this.options;
    return this.actions.send(
      {
        tenant,
        aggregate: 'action',
        subject: effectId,
        command,
        actor,
        ...(trace === undefined ? {} : { trace }),
        ...(partition === undefined ? {} : { partition }),
      },
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  }

  /** Runs commands of an effect; when it turns out to be finished or lost, that is the answer. */
  async unlessFinished<R>(call: Call, work: () => Promise<R>): Promise<R | Replayed | UnknownOutcome> {
    const { decision, request } = call;
    try {
      return await work();
    } catch (problem) {
      if (isCode(problem, 'action.finished'))
        return replayed(problem.details['outcome'] as unknown as Outcome, decision);
      if (isCode(problem, 'action.outcome_unknown')) {
        return { outcome: 'unknown', reason: problem.message, decision, position: '' };
      }
      if (isCode(problem, 'action.arguments_changed') || isCode(problem, 'action.not_yours')) {
        await this.refuseQuietly(request, problem, call);
      }
      throw problem;
    }
  }

  async refuse(caller: ActingCaller, subject: string, refused: Refused): Promise<{ position: string }> {
    return this.send(caller, subject, { type: 'refuse', ...refused }, REFUSAL_TIMEOUT_MS);
  }

  /** A refusal stands even when it cannot be recorded: refusing must not depend on the ledger. */
  async refuseQuietly(request: ActionRequest<never>, problem: DomainError, call?: Call): Promise<void> {
    const { effectId, action, caller } = request;
    const about = call === undefined ? { effectId, action, resource: refOf(request) } : recordOf(call);
    try {
      await this.refuse(caller, effectId, { code: problem.code, detail: problem.message, ...about });
    } catch (failure) {
      this.options.log?.error({ err: failure, code: problem.code, effectId }, 'a refusal could not be recorded');
    }
  }
}

/** What an answered intent means: it stands, or an earlier one turned out to be lost. */
export function settledBy(result: CommandResult, decision: DecisionRecord): UnknownOutcome | { position: string } {
  const lost = result.events.find(({ type }) => type === 'action.outcome_unknown.v1');
  if (lost === undefined) return { position: result.position };
  return { outcome: 'unknown', reason: (lost.data as { reason: string }).reason, decision, position: result.position };
}

/** @throws DomainError the failure that was recorded */
function replayed(outcome: Outcome, decision: DecisionRecord): Replayed {
  if (!outcome.ok) throw refuse(outcome.error.code, outcome.error.detail, { replayed: true });
  return { outcome: 'replayed', value: outcome.summary, decision, position: '' };
}

export function isCode(problem: unknown, code: string): problem is DomainError {
  return problem instanceof DomainError && problem.code === code;
}
