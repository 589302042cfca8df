import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals about schedules. Codes are permanent. */
export const scheduleErrors = {
  'schedule.not_found': { status: 404, title: 'There is no such schedule' },
  'schedule.exists': {
    status: 409,
    title: 'Another schedule has this id',
    hint: 'update it, delete it, or take another id',
  },
  'schedule.bad_definition': { status: 400, title: 'The schedule cannot be used' },
  'schedule.never_due': { status: 400, title: 'The schedule would never start a run' },
  'schedule.bad_range': { status: 400, title: 'The range cannot be backfilled' },
  'schedule.overlap': {
    status: 409,
    title: 'A run of the schedule goes on',
    hint: 'wait for its end, cancel it, or trigger with another overlap policy',
  },
  'schedule.too_many': { status: 429, title: 'Too much of the schedule is under way', retry: true },
  'schedule.no_authority_of_its_own': {
    status: 403,
    title: 'A run cannot create schedules',
    hint: 'the authority of a run ends with it: call with a token of the agent or of a person',
  },
} as const satisfies ErrorCatalogue;
