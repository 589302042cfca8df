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
    const decided = this.policies.decide(tenant, {
      principal,
      action: 'run.start',
      resource: { type: 'Workflow', id: workflow },
      arguments: { queue, ...('value' in input && input.value !== undefined && { input: input.value as Json }) },
    });
    const problem = refused(decided);
    if (problem) throw problem;
  }
}

/** What a decision comes to where nobody can be asked: nothing where it permits. */
export function refused({ verdict, mode, version }: ReturnType<Enforcement['policies']['decide']>) {
  if (verdict.outcome === 'allow' || mode === 'log-only') return undefined;
  const why = verdict.reasons.map(({ text }) => text).join('; ');
  const reasons = verdict.reasons.map((reason) => ({ ...reason }));
  return refuse(verdict.outcome === 'ask' ? 'policy.approval_required' : 'policy.denied', why, {
    decision: { outcome: verdict.outcome, policyVersion: version, reasons },
  });
}

/** Policies that are followed later than they are asked for: until then nothing is permitted. */
export function onceThere(policies: () => Pick<Enforcement['policies'], 'decide'> | undefined) {
  return {
    decide: (...question: Parameters<Enforcement['policies']['decide']>) => {
      const there = policies();
      if (!there) throw refuse('policy.unavailable', 'the policies are not followed yet');
      return there.decide(...question);
    },
  };
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
