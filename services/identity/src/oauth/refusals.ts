import type { RefusedCall } from '@writ/enforcement';
import { DomainError, refuse } from '@writ/ledger/domain';
import { errors, type Provider } from 'oidc-provider';
import type { TokenRequests } from './issuing.js';

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

/**
 * Every request for a token that is refused is told of, and its answer gets our own code: OAuth has one for all that can be wrong with
 * a client assertion. Who asked is certain once their assertion was verified, also where it was verified before.
 */
export function tellRefusals(provider: Provider, requests: TokenRequests, refused: (call: RefusedCall) => void): void {
  provider.on('grant.error', (ctx, problem) => {
    const error = refusalOf(problem as Problem);
    if (isAnswer(ctx.body)) ctx.body.error_description = `${error.code}: ${error.message}`;
    const client = requests.find(ctx)?.client;
    refused({
      error,
      method: { name: 'oauth.token' },
      ...(client && { by: { tenant: client.tenant, actor: { principal: client.id, kind: client.kind } } }),
    });
  });
}

/** As the provider throws it: the OAuth error as the message, and what it does not tell clients. */
interface Problem extends Error {
  readonly error_description?: string;
  readonly error_detail?: string;
}

function refusalOf({ message, error_description: description = message, error_detail: detail }: Problem): DomainError {
  const [, code, told] = /^((?:identity|auth|ledger)\.[a-z_]+): (.*)$/s.exec(description) ?? [];
  if (code !== undefined && told !== undefined) return refuse(code, told);
  const why = detail ?? description;
  if (message !== 'invalid_client') return refuse('identity.token_refused', `${message}: ${why}`);
  return refuse(clientRefusals.find(([pattern]) => pattern.test(why))?.[1] ?? 'identity.assertion_invalid', why);
}

/** In the provider's words. */
const clientRefusals: readonly (readonly [RegExp, string])[] = [
  [/only be used once/, 'identity.assertion_replayed'],
  [/expired/, 'identity.assertion_expired'],
  [/audience/, 'identity.assertion_audience'],
  [/client not found/, 'identity.client_not_found'],
];

function isAnswer(body: unknown): body is { error_description: string } {
  return typeof body === 'object' && body !== null && 'error' in body;
}
