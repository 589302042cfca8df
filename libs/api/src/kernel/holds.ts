import { permits, refuse } from '@writ/ledger/domain';
import type { Identity } from './caller.js';

type Holder = Pick<Identity, 'principal' | 'grant'>;

/**
 * Holds a caller to the resources of a capability. That the action is in the grant at all was checked before the request
 * was read; on what, only the service can say. Of a list or a search over everything the resource is empty: a grant that
 * names resources does not cover it.
 *
 * @throws DomainError `auth.missing_capability`
 */
export function mustHold(caller: Holder, action: string, resource: string): void {
  if (holds(caller, action, resource)) return;
  throw refuse(
    'auth.missing_capability',
    `${caller.principal} may not ${action} ${resource || 'everything there is'}`,
    {
      requires: action,
      resource,
    },
  );
}

/** Whether a caller may do this to one resource of many. */
export function holds({ grant }: Pick<Holder, 'grant'>, action: string, resource: string): boolean {
  return permits(grant, action, resource);
}
