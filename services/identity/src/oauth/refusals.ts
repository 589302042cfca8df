import { DomainError } from '@writ/ledger/domain';
import { errors } from 'oidc-provider';

/**
 * A refusal in the words of OAuth (RFC 6749 section 5.2, RFC 9396 section 5). Our own code stands at the start of
 * `error_description`, so that a program need not guess which of the few OAuth errors it is.
 */
export function oauthError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  const description = `${error.code}: ${error.message}`;
  switch (error.code) {
    case 'identity.exceeds_parent':
    case 'identity.too_deep':
      return new errors.InvalidAuthorizationDetails(description);
    case 'identity.client_not_found':
    case 'identity.key_retired':
      return Object.assign(new errors.InvalidClientAuth(error.code), { error_description: description });
    default:
      return error.code.startsWith('identity.') || error.code.startsWith('auth.')
        ? invalidGrant(description)
        : unavailable(description);
  }
}

/** `invalid_grant`: what was presented is worth nothing (any more). */
export function invalidGrant(description: string): Error {
  return Object.assign(new errors.InvalidGrant(description), { error_description: description });
}

/** `temporarily_unavailable`: nothing is wrong with the request. Status 503, so that clients try again. */
function unavailable(description: string): Error {
  const error = new errors.TemporarilyUnavailable(description);
  return Object.assign(error, { status: 503, statusCode: 503, expose: true });
}
