import { steadyNow, type WorkObserver } from '@writ/ledger';
import { DomainError, permits, refuse } from '@writ/ledger/domain';
import { WORKER } from '../action/action.js';
import type { Outcome } from '../action/action.events.js';
import { approvalOf, type Approvals } from '../approvals/approvals.js';
import type { Ask } from '../cedar/policy.js';
import type { DecisionRecord } from '../decision.js';
import { consult, recordOf, refOf, whatOf, withVerdict, type Call } from './call.js';
import { mustBeEffectId, mustBeOwn } from './effect-id.js';
import { isCode, settledBy, type Effects } from './effects.js';
import type { Budgets } from './budgets.js';
import type { Holder } from './holder.js';
import { outcomeOf, summaryOf } from './outcome.js';
import type { Authority, Policies, Trust } from './ports.js';
import {
  CannotSay,
  type ActContext,
  type ActingCaller,
  type ActionRequest,
  type Begun,
  type Performed,
} from './request.js';
import type { Running } from './running.js';

/** What the pipeline works with. */
export interface PipelineParts {
  readonly effects: Effects;
  readonly approvals: Pick<Approvals, 'consume' | 'request'>;
  readonly trust: Trust;
  /** Needed where actions cost something. */
  readonly budgets?: Pick<Budgets, 'charge'> | undefined;
  readonly policies: Policies;
  readonly holder: Pick<Holder, 'id' | 'isGone'>;
  readonly running: Running;
  /** Told of what is done, where it belongs to a trace. */
  readonly observer?: WorkObserver | undefined;
}

/** What happened must be recorded if that is at all possible. */
const OUTCOME_TIMEOUT_MS = 30_000;

type Stopped = Exclude<Performed<never>, { outcome: 'done' }>;
/** May go on, with the approval that was used up for it. */
interface Admitted {
  readonly call: Call;
  readonly authority: Authority;
  readonly approval?: string;
}

/** The one way from a verified caller to an effect. Each stop on it is in the ledger, whether it let the caller pass or not. */
export class Pipeline {
  constructor(private readonly parts: PipelineParts) {}

  /** The whole life of an action whose code runs here. */
  async perform<T>(request: ActionRequest<T>, act: (context: ActContext) => Promise<T>): Promise<Performed<T>> {
    const admitted = await this.admit(request as ActionRequest<never>);
    if ('outcome' in admitted) return admitted;
    const { caller, effectId } = request;
    const what = whatOf(admitted.call);
    const joined = this.parts.running.find(caller, effectId, what);
    if (joined !== undefined) return joined as Promise<Performed<T>>;
    return this.parts.running.during({ caller, effectId, what, authority: admitted.authority }, async (signal) => {
      signal.throwIfAborted();
      await this.charge(admitted);
      const intent = await this.intend(admitted, this.parts.holder.id, false);
      return 'outcome' in intent
        ? intent
        : this.observed(request, (own) => this.act(own, admitted.call.decision, signal, act));
    });
  }

  /** The first half of an action whose code runs in a worker: up to and including the intent. */
  async begin(request: ActionRequest<never>): Promise<Begun | Stopped> {
    const admitted = await this.admit(request);
    if ('outcome' in admitted) return admitted;
    await this.charge(admitted);
    const intent = await this.intend(admitted, workerHolder(request.caller), true);
    return 'outcome' in intent
      ? intent
      : { outcome: 'begun', decision: admitted.call.decision, position: intent.position };
  }

  /** What it costs is taken before it is intended: a refusal for want of budget stands in the ledger like any other. */
  private async charge({ call, authority }: Admitted): Promise<void> {
    const { caller, effectId, cost } = call.request;
    if (authority.budget === undefined || cost === undefined || !this.parts.budgets) return;
    try {
      await this.parts.budgets.charge(caller, authority.budget, effectId, cost);
    } catch (problem) {
      if (problem instanceof DomainError && problem.code.startsWith('run.'))
        await this.parts.effects.refuseQuietly(call.request, problem, call);
      throw problem;
    }
  }

  /** The second half. A repeat is a success. @throws DomainError `action.not_begun`, `action.not_yours`, `action.superseded` */
  async end(
    caller: ActingCaller,
    effectId: string,
    outcome: Outcome & { readonly durationMs?: number },
  ): Promise<{ position: string }> {
    const { durationMs = 0, ...told } = outcome;
    const summary = told.summary === undefined ? {} : { summary: summaryOf(told.summary) };
    const { position } = await this.parts.effects.send(caller, effectId, {
      type: 'complete',
      holder: workerHolder(caller),
      durationMs,
      ...told,
      ...summary,
    });
    return { position };
  }

  /** Capability, revocation, policy, approval: what must hold before anything is intended. */
  private async admit(request: ActionRequest<never>): Promise<Stopped | Admitted> {
    const { caller, action, resource, effectId } = request;
    mustBeEffectId(effectId);
    let authority: Authority;
    try {
      mustBeOwn(request);
      if (!permits(caller.grant, action, resource.id)) {
        throw refuse('auth.missing_capability', `the token does not carry ${action} on ${resource.id}`, {
          action,
          resource: resource.id,
        });
      }
      authority = await this.parts.trust.check(caller);
    } catch (problem) {
      if (!(problem instanceof DomainError)) throw problem;
      const recorded = this.parts.effects.refuseQuietly(request, problem);
      // Who hears nothing from identity will hardly reach a ledger either; the caller need not wait for that.
      if (problem.code !== 'auth.revocation_unknown') await recorded;
      throw problem;
    }
    const call = consult(request, this.parts.policies, this.parts.trust.epoch);
    const { outcome, mode } = call.decision;
    if (mode === 'log-only' || outcome === 'allow') return { call, authority };
    if (call.verdict.outcome !== 'ask') return this.deny(call);
    // Nobody is asked about what would be forbidden all the same.
    const approved = withVerdict(call, call.approved());
    if (approved.decision.outcome === 'deny') return this.deny(approved);
    const used = await this.useApproval(call, call.verdict.ask);
    return typeof used === 'string' ? { call: approved, authority, approval: used } : used;
  }

  /** The approval that was used up, or why there is none yet. */
  private async useApproval(call: Call, ask: Ask): Promise<Stopped | string> {
    const { request, digest, decision } = call;
    const { effectId, action } = request;
    const approval = request.approval ?? approvalOf(effectId, digest, decision.policyVersion);
    const bound = {
      effectId,
      action,
      resource: refOf(request),
      argumentsDigest: digest,
      policyVersion: decision.policyVersion,
    };
    try {
      await this.parts.approvals.consume(request.caller, approval, bound);
      return approval;
    } catch (problem) {
      if (!(problem instanceof DomainError)) throw problem;
      if (
        problem.code === 'approval.undecided' ||
        (problem.code === 'approval.not_found' && request.approval === undefined)
      ) {
        return this.ask(call, approval, ask);
      }
      if (problem.code.startsWith('approval.')) await this.parts.effects.refuseQuietly(request, problem, call);
      throw problem;
    }
  }

  private deny(call: Call): Promise<Stopped> {
    const { request, decision } = call;
    const detail = decision.reasons.map(({ text }) => text).join('; ');
    return this.parts.effects.unlessFinished(call, async () => {
      const { position } = await this.parts.effects.send(request.caller, request.effectId, {
        type: 'refuse',
        code: 'policy.denied',
        detail,
        ...recordOf(call),
      });
      return { outcome: 'denied', decision, position };
    });
  }

  private ask(call: Call, approval: string, ask: Ask): Promise<Stopped> {
    const { request, decision } = call;
    const { caller, effectId, action } = request;
    return this.parts.effects.unlessFinished(call, async () => {
      const { position } = await this.parts.effects.send(caller, effectId, {
        type: 'ask',
        ...recordOf(call),
        approval,
      });
      const expires = await this.parts.approvals.request(caller, approval, {
        kind: 'action',
        title: ask.title,
        detail: call.arguments,
        agent: caller.principal,
        ...(caller.run === undefined ? {} : { run: caller.run }),
        approvers: ask.approvers,
        expires: new Date(steadyNow() + ask.expiresMs).toISOString(),
        effectId,
        action,
        resource: refOf(request),
        argumentsDigest: call.digest,
        policyVersion: decision.policyVersion,
      });
      return {
        outcome: 'ask',
        decision,
        approvalId: approval,
        ...(expires !== undefined && { expires }),
        position,
      };
    });
  }

  private intend(
    { call, approval }: Admitted,
    holder: string,
    worker: boolean,
  ): Promise<Stopped | { position: string }> {
    const { caller, effectId } = call.request;
    const repeatable = isRepeatable(call.request);
    const command = {
      type: 'intend',
      ...recordOf(call),
      holder,
      repeatable,
      ...(approval === undefined ? {} : { approval }),
    } as const;
    const takeOver = async (before: string) =>
      settledBy(await this.parts.effects.send(caller, effectId, { ...command, abandonedBy: before }), call.decision);
    return this.parts.effects.unlessFinished(call, async () => {
      try {
        const result = await this.parts.effects.send(caller, effectId, command);
        if (result.events.length > 0 || worker) return settledBy(result, call.decision);
      } catch (problem) {
        if (!isCode(problem, 'action.in_progress')) throw problem;
        const before = String(problem.details['holder']);
        if (!(await this.parts.holder.isGone(before, caller.tenant, effectId))) throw problem;
        return takeOver(before);
      }
      // This process intended it before and does not perform it any more: its outcome was never recorded.
      return takeOver(holder);
    });
  }

  /** The act as a part of the caller's trace; its outcome leads on from there. */
  private async observed<T>(
    request: ActionRequest<T>,
    act: (request: ActionRequest<T>) => Promise<Performed<T>>,
  ): Promise<Performed<T>> {
    const { caller, action } = request;
    const { trace } = caller;
    const work = trace === undefined ? undefined : this.parts.observer?.begin({ kind: 'action', name: action, trace });
    if (!work) return act(request);
    try {
      const performed = await act({ ...request, caller: { ...caller, trace: work.trace } });
      work.end(
        performed.outcome === 'done' ? 'ok' : performed.outcome,
        'position' in performed ? performed.position : undefined,
      );
      return performed;
    } catch (error) {
      work.end(error instanceof DomainError ? error.code : 'failed');
      throw error;
    }
  }

  private async act<T>(
    request: ActionRequest<T>,
    decision: DecisionRecord,
    signal: AbortSignal,
    act: (context: ActContext) => Promise<T>,
  ): Promise<Performed<T>> {
    const { caller, effectId } = request;
    const holder = this.parts.holder.id;
    const started = performance.now();
    const finish = (outcome: Outcome) =>
      this.parts.effects.send(
        caller,
        effectId,
        { type: 'complete', holder, durationMs: Math.round(performance.now() - started), ...outcome },
        OUTCOME_TIMEOUT_MS,
      );
    let value: T;
    try {
      signal.throwIfAborted();
      value = await act({ signal, effectId, decision });
    } catch (problem) {
      if (problem instanceof CannotSay) {
        const { position } = await this.parts.effects.send(
          caller,
          effectId,
          { type: 'doubt', holder, reason: problem.message },
          OUTCOME_TIMEOUT_MS,
        );
        return { outcome: 'unknown', reason: problem.message, decision, position };
      }
      const reason = revokedBy(signal) ?? problem;
      await finish(outcomeOf(reason, signal, isRepeatable(request)));
      throw reason;
    }
    const { position } = await finish({ ok: true, summary: summaryOf(request.summary?.(value) ?? null) });
    const revoked = revokedBy(signal);
    // It happened and that is recorded; but who lost its authority meanwhile does not get the result.
    if (revoked !== undefined) throw revoked;
    return { outcome: 'done', value, decision, position };
  }
}

const isRepeatable = ({ effect }: Pick<ActionRequest<never>, 'effect'>): boolean =>
  effect === 'read' || effect === 'idempotent';

/** The refusal with which a revocation ended the act. */
function revokedBy(signal: AbortSignal): DomainError | undefined {
  return signal.aborted && signal.reason instanceof DomainError ? signal.reason : undefined;
}

/** A worker that comes back after a crash has another token, and so another name. */
function workerHolder({ tokenId }: ActingCaller): string {
  return `${WORKER}${tokenId}`;
}
