import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What audit refuses. */
export const auditErrors = {
  'audit.not_found': { status: 404, title: 'There is no such event in the record' },
  'audit.out_of_order': { status: 409, title: 'The record does not end where this begins' },
  'audit.behind': { status: 503, title: 'The record has not reached that position yet', retry: true },
  'audit.no_checkpoint': { status: 503, title: 'There is no checkpoint that could be vouched for', retry: true },
  'audit.record_broken': { status: 503, title: 'The record is not the one that was signed before' },
  'audit.bad_position': { status: 400, title: 'This is not a position of the ledger' },
  'audit.bad_size': { status: 400, title: 'The record never had this size' },
  'audit.too_many': { status: 413, title: 'One bundle cannot hold so many events' },
} as const satisfies ErrorCatalogue;
