import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What memory refuses. */
export const memoryErrors = {
  'memory.not_found': { status: 404, title: 'There is no such memory' },
  'memory.exists': { status: 409, title: 'This memory already holds another text' },
  'memory.forgotten': { status: 410, title: 'This memory was forgotten' },
  'memory.search_too_long': {
    status: 422,
    title: 'The search takes too long',
    hint: 'ask with fewer words, or in a smaller scope',
  },
  'memory.view_behind': { status: 503, title: 'The view has not reached that position yet', retry: true },
} as const satisfies ErrorCatalogue;
