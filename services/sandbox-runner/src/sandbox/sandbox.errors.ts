import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals of sandboxes. */
export const sandboxErrors = {
  'sandbox.not_found': { status: 404, title: 'There is no such sandbox' },
  'sandbox.not_yours': { status: 403, title: 'The sandbox belongs to another agent or run' },
  'sandbox.stopped': { status: 409, title: 'The sandbox has stopped', hint: 'Create a new one.' },
  'sandbox.elsewhere': { status: 503, title: 'The sandbox is on another runner', retry: true },
  'sandbox.already_requested': { status: 409, title: 'The sandbox was requested before' },
  'sandbox.start_failed': { status: 500, title: 'The sandbox could not be started' },
  'sandbox.host_full': { status: 503, title: 'The host has no room for another sandbox', retry: true },
  'sandbox.isolation_unavailable': {
    status: 503,
    title: 'Sandboxes cannot be isolated on this host',
    hint: 'The message says what is missing; `writ doctor` says how to get it.',
  },
  'sandbox.tier_too_low': { status: 503, title: 'This host isolates less than the operator demands' },
  'sandbox.mount_refused': { status: 403, title: 'The operator does not allow this mount' },
  'sandbox.volume_busy': { status: 409, title: 'The volume is in use by another sandbox', retry: true },
  'sandbox.file_refused': { status: 422, title: "The sandbox's system refused the operation on the file" },
  'sandbox.file_not_found': { status: 404, title: 'There is no such file in the sandbox' },
  'sandbox.file_too_large': { status: 413, title: 'The file is too large to be read at once' },
  'sandbox.disk_full': { status: 507, title: "The sandbox's disk is full" },
  'sandbox.exec_invalid': { status: 400, title: 'The command cannot be run as it was asked for' },
  'sandbox.output_not_kept': { status: 410, title: 'The command has run before, and its output was too large to keep' },
  'sandbox.view_behind': { status: 503, title: 'The view is not there yet', retry: true },
} as const satisfies ErrorCatalogue;
