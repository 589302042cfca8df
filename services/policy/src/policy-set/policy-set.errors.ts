import type { ErrorCatalogue } from '@writ/ledger/domain';

export const policyErrors = {
  'policy.invalid': {
    status: 422,
    title: 'The policies are not valid',
    hint: 'the findings name file, line and policy',
  },
  'policy.too_large': { status: 413, title: 'The policy set is too large' },
  'policy.version_changed': {
    status: 412,
    title: 'Another version is active than the one you expected',
    hint: 'read the active version and decide again',
  },
  'policy.version_not_found': { status: 404, title: 'There is no such version of the policies' },
  'policy.view_behind': { status: 503, title: 'The view has not reached this position yet', retry: true },
  'tool_schema.invalid': { status: 422, title: 'The schema of a tool cannot be used' },
} as const satisfies ErrorCatalogue;
