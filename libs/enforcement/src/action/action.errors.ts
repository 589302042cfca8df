import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What the pipeline refuses beside `auth.*` and `approval.*`. */
export const actionErrors = {
  'policy.denied': {
    status: 403,
    title: 'The policy denies this action',
    hint: 'the reasons name the policies that decided',
  },
  'policy.approval_required': { status: 403, title: 'A person must approve this action first', hint: 'wait for the approval, then repeat the request with the same effect id' }, // prettier-ignore
  'policy.unavailable': { status: 503, title: 'The policies are not known here yet', retry: true },
  'action.arguments_changed': {
    status: 422,
    title: 'This effect id was used for another action or other arguments',
    hint: 'use a new effect id',
  },
  'action.not_yours': { status: 403, title: 'This effect id belongs to another principal' },
  'action.in_progress': { status: 409, title: 'The same effect is being performed elsewhere', retry: true },
  'action.outcome_unknown': { status: 409, title: 'It was begun and nobody can say whether it happened', hint: 'look at the target, then decide under a new effect id' }, // prettier-ignore
  'action.superseded': { status: 409, title: 'Another holder performs this effect now' },
  'action.not_begun': { status: 404, title: 'Nothing was begun under this effect id, or too long ago' },
  'action.finished': { status: 409, title: 'This effect is finished' },
  'action.failed': { status: 502, title: 'The action was performed and failed' },
} as const satisfies ErrorCatalogue;
