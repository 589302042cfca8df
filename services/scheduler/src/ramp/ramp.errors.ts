import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals about ramps. Codes are permanent. */
export const rampErrors = {
  'ramp.not_found': {
    status: 404,
    title: 'The workflow has no ramp',
    hint: 'a workflow without a ramp needs none: its runs go to whichever worker there is',
  },
  'ramp.bad_ramp': { status: 400, title: 'The ramp cannot be used' },
} as const satisfies ErrorCatalogue;
