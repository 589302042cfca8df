import { mayHeal } from '@writ/ledger';
import { refuse, type DomainError } from '@writ/ledger/domain';

/** What an error of the database means to a caller: where it is away for a moment, that the same request may succeed later. */
export function outage(error: unknown): DomainError | undefined {
  if (!mayHeal(error)) return undefined;
  return refuse('service.unavailable', 'a server behind this one cannot be reached now; try again in a moment');
}
