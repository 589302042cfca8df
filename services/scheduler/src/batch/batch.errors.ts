import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals about batches. Codes are permanent. */
export const batchErrors = {
  'batch.not_found': { status: 404, title: 'There is no such batch' },
  'batch.exists': { status: 409, title: 'Another batch has this id', hint: 'take another id' },
  'batch.bad_definition': { status: 400, title: 'The batch cannot be used' },
  'batch.too_many': {
    status: 429,
    title: 'Too many batches are under way',
    retry: true,
    hint: 'wait for the end of one of them, or stop one',
  },
} as const satisfies ErrorCatalogue;
