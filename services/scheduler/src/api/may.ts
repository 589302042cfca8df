import type { Caller } from '@writ/api';
import { permits, refuse } from '@writ/ledger/domain';

/**
 * Holds a caller to the resources of a capability; the action itself was checked before the request was read. Resources are: of `run.start`
 * the workflow, of `worker.connect` `queue/<queue>`, of every other action on runs the run.
 *
 * @throws DomainError `auth.missing_capability`
 */
export function may(caller: Pick<Caller, 'principal' | 'grant'>, action: string, resource: string): void {
  if (permits(caller.grant, action, resource)) return;
  throw refuse('auth.missing_capability', `${caller.principal} may not ${action} ${resource}`, {
    requires: action,
    resource,
  });
}

/** Whether a caller may do this to one resource of many. */
export function maySee(caller: Pick<Caller, 'grant'>, action: string, resource: string): boolean {
  return permits(caller.grant, action, resource);
}
