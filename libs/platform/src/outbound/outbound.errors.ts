import type { ErrorCatalogue } from '@writ/ledger/domain';

/** Refusals of an address that somebody else has given. */
export const outboundErrors = {
  'outbound.url_refused': { status: 422, title: 'This is not an address that may be given' },
  'outbound.address_refused': {
    status: 403,
    title: 'The address is not one of the public internet',
    hint: 'The operator allows others with WRIT_OUTBOUND_ALLOW.',
  },
  'outbound.unknown_host': { status: 422, title: 'The name of the host cannot be resolved' },
  'outbound.redirected': { status: 502, title: 'The server sends elsewhere, which is not followed' },
} as const satisfies ErrorCatalogue;
