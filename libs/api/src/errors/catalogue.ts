import { ledgerErrors, type ErrorCatalogue } from '@writ/ledger/domain';

/** What the API layer itself refuses, before or around a service's own code. */
export const apiErrors = {
  'request.malformed': { status: 400, title: 'The request cannot be read' },
  'request.invalid': { status: 400, title: 'The request breaks the rules of its fields' },
  'request.not_found': { status: 404, title: 'There is nothing under this address' },
  'request.method_not_allowed': { status: 405, title: 'This address does not take this method' },
  'request.wrong_host': {
    status: 421,
    title: 'This host is not served here',
    hint: 'The operator names it in WRIT_PUBLIC_URL or WRIT_HOSTS.',
  },
  'request.wrong_origin': { status: 403, title: 'Pages of this origin may not call here' },
  'request.not_acceptable': { status: 406, title: 'This answer has no such form' },
  'request.timeout': { status: 408, title: 'The request did not arrive in time', retry: true },
  'request.too_large': { status: 413, title: 'The request is too large' },
  'request.unsupported_media_type': { status: 415, title: 'The body must be JSON' },
  'request.cancelled': { status: 499, title: 'The caller went away' },
  'request.deadline_exceeded': { status: 504, title: 'The time that the caller gave ran out', retry: true },
  'request.failed': { status: 400, title: 'The request was refused' },
  'service.draining': { status: 503, title: 'This process is shutting down', retry: true },
  'service.unavailable': { status: 503, title: 'The service cannot be reached', retry: true },
  'internal.error': { status: 500, title: 'Something went wrong inside Writ' },
} as const satisfies ErrorCatalogue;

/** What an `Authenticator` refuses with. */
export const authErrors = {
  'auth.missing_token': { status: 401, title: 'No token was sent', hint: 'send `authorization: Bearer <token>`' },
  'auth.invalid_token': { status: 401, title: 'The token is not valid' },
  'auth.token_expired': {
    status: 401,
    title: 'The token has expired',
    hint: 'ask the authorization server for a new one',
  },
  'auth.wrong_audience': { status: 401, title: 'The token was made for another audience' },
  'auth.wrong_tenant': { status: 403, title: 'The token belongs to another tenant' },
  'auth.revoked': { status: 401, title: 'The authority behind the token was revoked' },
  'auth.missing_capability': { status: 403, title: 'The token does not carry this capability' },
  'auth.revocation_unknown': { status: 503, title: 'Nothing was heard from identity for too long', retry: true },
} as const satisfies ErrorCatalogue;

/** One entry of an error catalogue. */
export interface CatalogueEntry {
  status: number;
  title: string;
  retry?: boolean;
  hint?: string;
}

const known = new Map<string, CatalogueEntry>();

/**
 * Makes codes known, so that a `DomainError` with one of them is rendered as it is; a code that nobody registered is a
 * bug and answered as `internal.error`. Codes are permanent and global: the same code with another status throws.
 */
export function registerErrors(...catalogues: readonly ErrorCatalogue[]): void {
  for (const catalogue of catalogues)
    for (const [code, entry] of Object.entries(catalogue)) {
      const before = known.get(code);
      if (before && before.status !== entry.status)
        throw new Error(`error code ${code} is registered with status ${before.status} and with ${entry.status}`);
      known.set(code, before ?? entry);
    }
}

/** The entry of a code, or undefined when nobody registered it. */
export function entryOf(code: string): CatalogueEntry | undefined {
  return known.get(code);
}

/** Every registered code, in the order of registration: the page of errors in the docs is made from it. */
export function allErrors(): ReadonlyMap<string, CatalogueEntry> {
  return known;
}

registerErrors(apiErrors, authErrors, ledgerErrors);
