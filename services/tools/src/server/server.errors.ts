import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What the tool gateway refuses; what a policy denies is a decision, not an error of this list. */
export const toolErrors = {
  'tools.server_exists': { status: 409, title: 'A server of this name is connected in another way' },
  'tools.server_not_found': { status: 404, title: 'There is no such server' },
  'tools.reserved_name': { status: 409, title: 'This name is kept for the tools of workers' },
  'tools.not_found': { status: 404, title: 'There is no such tool' },
  'tools.quarantined': { status: 403, title: 'The definition of this tool is not approved' },
  'tools.definition_changed': { status: 409, title: 'The definition of this tool is another one now' },
  'tools.duplicate_name': { status: 422, title: 'The server offers two tools of the same name' },
  'tools.bad_arguments': { status: 400, title: 'The arguments do not fit the schema of the tool' },
  'tools.bad_name': { status: 422, title: 'The name of the tool cannot be used' },
  'tools.bad_schema': { status: 422, title: 'The schema of the tool cannot be used' },
  'tools.runs_in_worker': {
    status: 409,
    title: 'The code of this tool runs in a worker',
    hint: 'begin the call, perform it, end it',
  },
  'tools.host_refused': {
    status: 403,
    title: 'The operator does not allow servers on this host',
    hint: 'WRIT_TOOL_HTTP_HOSTS names those that are allowed',
  },
  'tools.upstream_failed': {
    status: 502,
    title: 'The server behind the tool did not answer as it should',
    retry: true,
  },
  'tools.may_not_ask': {
    status: 502,
    title: 'The server asked for what it may not ask for',
    hint: 'may_ask of the server says what it may',
  },
  'tools.too_many_sessions': { status: 429, title: 'Too many sessions are open', retry: true },
  'tools.view_behind': { status: 503, title: 'The view has not reached that position yet', retry: true },
} as const satisfies ErrorCatalogue;
