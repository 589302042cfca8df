import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals about queues. Codes are permanent. */
export const queueErrors = {
  'queue.not_found': {
    status: 404,
    title: 'The queue has no limits',
    hint: 'a queue without limits needs no definition',
  },
  'queue.bad_limits': { status: 400, title: 'The limits cannot be used' },
  'queue.no_key': {
    status: 400,
    title: 'The run has no key',
    hint: 'name a key with the start, or give the input what the queue takes it from',
  },
  'queue.bad_cost': { status: 400, title: 'The run does not say what it costs' },
} as const satisfies ErrorCatalogue;
