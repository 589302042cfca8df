import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Every refusal of the scheduler. Codes are permanent. */
export const runErrors = {
  'run.not_found': { status: 404, title: 'There is no such run' },
  'run.conflict': {
    status: 409,
    title: 'Another start has this id',
    hint: 'start it under another id, or with on_conflict=attach to get the run that is there',
  },
  'run.cycle': { status: 409, title: 'A run cannot be its own descendant' },
  'run.not_ended': { status: 409, title: 'The run has not ended', hint: 'cancel it first' },
  'run.deleted': {
    status: 410,
    title: 'The run was deleted',
    hint: 'its record is in the ledger, and its id stays taken: start another run under another id',
  },
  'run.ended': { status: 409, title: 'The run has ended' },
  'run.cancelling': { status: 409, title: 'The run is being cancelled' },
  'run.not_paused': { status: 409, title: 'The run is not paused' },
  'run.too_many_awaited': { status: 429, title: 'One stream waits for too many runs' },
  'run.too_many_messages': { status: 429, title: 'The run has too many messages that it has not taken', retry: true },
  'run.too_deep': { status: 409, title: 'Runs would be started too many levels below one another' },
  'run.budget_exhausted': {
    status: 429,
    title: 'The budget of the run is used up',
    hint: 'a person may add to it: writ run budget <account> --add …',
  },
  'run.budget_incomplete': {
    status: 400,
    title: 'A child with limits needs some of everything that is limited above it',
  },
  'run.budget_closed': { status: 409, title: 'The run whose budget it is has ended' },
  'run.no_budget': { status: 409, title: 'The run was started without limits of its own' },
  'run.bad_input': { status: 400, title: 'The input cannot be used' },
  'run.bad_cursor': { status: 400, title: 'The cursor cannot be read' },
  'run.bad_attributes': { status: 400, title: 'The attributes cannot be used' },
  'run.bad_filter': { status: 400, title: 'The filter or the page token cannot be read' },
  'run.value_too_large': { status: 413, title: 'The value is too large' },
  'run.value_not_found': { status: 404, title: 'There is no such value' },
  'run.cancelled': { status: 409, title: 'The run was cancelled' },
  'run.no_worker': {
    status: 503,
    title: 'No worker with this workflow is connected',
    retry: true,
    hint: 'start a worker that serves the workflow on the queue of the run',
  },
  'run.replay_failed': { status: 502, title: 'The worker did not report on the replay', retry: true },
  'run.unknown_message': {
    status: 409,
    title: 'The workflow takes no message of this name',
    hint: 'its code declares what may be sent to its runs; start workers with newer code first',
  },
  'run.no_handler': { status: 409, title: 'The run does not handle this' },
  'run.no_answer': {
    status: 503,
    title: 'The run did not answer in time',
    retry: true,
    hint: 'ask again with the same key: what was accepted is not done twice',
  },
  'run.query_failed': { status: 422, title: 'The run could not answer' },
  'run.update_refused': { status: 422, title: 'The run does not accept this update' },
  'run.update_raced': { status: 409, title: 'Something came to the run before the update was recorded', retry: true },
  'run.not_begun': { status: 409, title: 'The run has not begun', retry: true },
  'run.not_restartable': { status: 409, title: 'The run cannot be restarted' },
  'run.no_such_step': { status: 404, title: 'Nothing is recorded of the step' },
  'run.cannot_cut': { status: 409, title: 'The record cannot be gone on from there' },
  'run.changed': { status: 409, title: 'Something was recorded of the run meanwhile', retry: true },
  'run.history_too_large': { status: 413, title: 'The history is larger than one answer can be' },
  'run.journal_lost': { status: 500, title: 'Commits of the run are missing in the ledger' },
  'run.stale_attempt': { status: 409, title: 'The attempt is not the current one of its run' },
  'run.bad_report': { status: 400, title: 'The report of the worker makes no sense' },
  'worker.bad_hello': { status: 400, title: 'The first frame of a worker must be a valid hello' },
} as const satisfies ErrorCatalogue;

/** What identity answers to the start of a run goes to who asked for it, under identity's own codes. */
export const grantErrors = {
  'identity.agent_not_found': { status: 404, title: 'There is no such agent in this tenant' },
  'identity.exceeds_parent': { status: 403, title: 'Nobody can be given more than the one who gives it holds' },
  'identity.too_deep': { status: 403, title: 'It would be delegated too many times' },
  'identity.grant_exists': { status: 409, title: 'The run has a different grant already' },
  'identity.grant_not_found': { status: 404, title: 'The run has no grant, or none any more' },
  'identity.revoked': { status: 403, title: 'Its authority was taken away' },
} as const satisfies ErrorCatalogue;

/** A code of {@link runErrors}. */
export type RunErrorCode = keyof typeof runErrors;
