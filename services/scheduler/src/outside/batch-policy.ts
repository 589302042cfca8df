import type { Enforcement, Principal } from '@writ/enforcement';
import { refused } from './start-policy.js';

/** A batch as policies see it. */
export interface WantedBatch {
  readonly tenant: string;
  readonly principal: Principal;
  /** `cancel`, `send`, … */
  readonly action: string;
  readonly filter: string;
  /** The one that the filter names; else `*`. */
  readonly workflow: string;
}

/** The port to who says which batches may be carried out. */
export interface BatchPolicy {
  /** @throws DomainError `policy.denied`, `policy.approval_required`, `policy.unavailable` */
  permit(wanted: WantedBatch): void;
}

/** The tenant's policies, on the action `run.batch`. A batch cannot wait for a person: what a policy asks about is refused. */
export class CedarBatchPolicy implements BatchPolicy {
  constructor(private readonly policies: Pick<Enforcement['policies'], 'decide'>) {}

  permit({ tenant, principal, action, filter, workflow }: WantedBatch): void {
    const resource = { type: 'Workflow' as const, id: workflow };
    const request = { principal, action: 'run.batch', resource, arguments: { action, filter } };
    const problem = refused(this.policies.decide(tenant, request));
    if (problem) throw problem;
  }
}

/** For tests that have no policies. */
export const everyBatch: BatchPolicy = { permit: () => {} };
