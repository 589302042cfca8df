import { actionAggregate, actionErrors, approvalErrors } from '@writ/enforcement';
import { aggregates } from '@writ/ledger/domain';
import { startService, type RunningService } from '@writ/platform';
import { approval } from './approval/approval.js';
import { ApprovalTimer } from './approval/approval.timer.js';
import { approvalView } from './approval/approval.view.js';
import { ApprovalEnds } from './approval/approval.waiting.js';
import { parseConfig } from './config.js';
import { Policy0001 } from './migrations/0001-policy.js';
import { Policy0002 } from './migrations/0002-approval-inbox.js';
import { policyErrors } from './policy-set/policy-set.errors.js';
import { policySet } from './policy-set/policy-set.js';
import { policySetView } from './policy-set/policy-set.view.js';
import { PolicyModule } from './policy.module.js';
import { toolSchema } from './tool-schema/tool-schema.js';

/** Starts the policy service. */
export function start(env: Record<string, string | undefined>): Promise<RunningService> {
  const ends = new ApprovalEnds();
  return startService({
    name: 'policy',
    config: parseConfig(env),
    entities: [],
    migrations: [Policy0001, Policy0002],
    errors: [policyErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host({ log, metrics }) {
      const timer = new ApprovalTimer(log);
      metrics.gauge('writ_approvals_waiting', 'Approvals that nobody has decided yet.', () => timer.waiting);
      return {
        model: aggregates([policySet, toolSchema, approval, actionAggregate]),
        projections: [policySetView, approvalView],
        onOwned: (_partition, handle) => timer.owned(handle),
        onLost: () => timer.lost(),
        onCommit: (commit) => timer.committed(commit),
      };
    },
    module: (context) => PolicyModule.with(context, ends),
    after: ({ ledger, log }) => ends.start(ledger, log),
    stopping: () => ends.stop(),
  });
}
