import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What the gateway itself refuses. */
export const gatewayErrors = {
  'event.bad_cursor': { status: 400, title: 'This is not a cursor of the event stream' },
  'gateway.no_service': { status: 503, title: 'No replica of the service behind this path is up', retry: true },
} as const satisfies ErrorCatalogue;
