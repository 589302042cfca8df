import type { Enforcement, Principal } from '@writ/enforcement';
import { refuse, type Json } from '@writ/ledger/domain';
import type { Content } from '../run/run.events.js';

/** A start as policies see it: who wants it, of what, with what. */
export interface WantedStart {
  readonly tenant: string;
  readonly principal: Principal;
  readonly workflow: string;
  readonly queue: string;
  /** Policies see what is inline; of a larger value nothing. */
  readonly input: Content;
}

/** The port to who says which runs may be started. */
export interface StartPolicy {
  /** @throws DomainError `policy.denied`, `policy.approval_required`, `policy.unavailable` */
  permit(wanted: WantedStart): void;
}

/**
 * The tenant's policies, on the action `run.start`. What is permitted is recorded as the start itself; a start cannot wait for a person, so
 * what a policy asks about is refused.
 */
export class CedarStartPolicy implements StartPolicy {
  constructor(private readonly policies: Pick<Enforcement['policies'], 'decide'>) {}

  permit({ tenant, principal, workflow, queue, input }: WantedStart): void {
    const { verdict, mode, version } = this.policies.decide(tenant, {
      principal,
      action: 'run.start',
      resource: { type: 'Workflow', id: workflow },
      arguments: { queue, ...('value' in input && input.value !== undefined && { input: input.value as Json }) },
    });
    if (verdict.outcome === 'allow' || mode === 'log-only') return;
    const why = verdict.reasons.map(({ text }) => text).join('; ');
    const reasons = verdict.reasons.map((reason) => ({ ...reason }));
    throw refuse(verdict.outcome === 'ask' ? 'policy.approval_required' : 'policy.denied', why, {
      decision: { outcome: verdict.outcome, policyVersion: version, reasons },
    });
  }
}

/** For tests that have no policies. */
export const everyStart: StartPolicy = { permit: () => {} };

/** Who starts a child: the agent of its parent, in that run. */
export function parentAsStarter(
  tenant: string,
  run: string,
  { agent, depth }: { agent: string; depth: number },
): Principal {
  return { type: 'Agent', id: agent, tenant, run, depth };
}
