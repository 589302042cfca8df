import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals about retention. Codes are permanent. */
export const retentionErrors = {
  'retention.bad_rules': { status: 400, title: 'The rules cannot be used' },
} as const satisfies ErrorCatalogue;
