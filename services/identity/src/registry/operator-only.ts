import type { Caller } from '@writ/api';
import { refuse } from '@writ/ledger/domain';

/**
 * What concerns the whole installation. The capability alone does not say it: whoever may do everything in a tenant
 * holds `*`.
 *
 * @throws DomainError `identity.operator_only`
 */
export function operatorOnly({ kind, principal }: Pick<Caller, 'kind' | 'principal'>, what: string): void {
  if (kind !== 'operator') throw refuse('identity.operator_only', `${principal} is no operator and cannot ${what}`);
}
