import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What identity refuses. The token endpoint says the same codes at the start of `error_description`. */
export const identityErrors = {
  'identity.tenant_exists': { status: 409, title: 'A tenant of that id exists already' },
  'identity.agent_exists': { status: 409, title: 'An agent of that id exists already' },
  'identity.person_exists': { status: 409, title: 'A person of that id exists already' },
  'identity.operator_exists': { status: 409, title: 'The operator exists already' },
  'identity.tenant_not_found': { status: 404, title: 'There is no such tenant' },
  'identity.agent_not_found': { status: 404, title: 'There is no such agent in this tenant' },
  'identity.person_not_found': { status: 404, title: 'There is no such person in this tenant' },
  'identity.operator_not_found': { status: 404, title: 'There is no operator' },
  'identity.client_not_found': { status: 401, title: 'There is no such principal in this tenant' },
  'identity.subject_not_found': { status: 404, title: 'There is nothing of that id to revoke in this tenant' },
  'identity.not_revocable': { status: 400, title: 'Authority cannot be taken away from that' },
  'identity.revoked': { status: 403, title: 'Its authority was taken away' },
  'identity.exceeds_parent': {
    status: 403,
    title: 'Nobody can be given more than the one who gives it holds',
    hint: 'Ask for less, or have someone who holds it grant it.',
  },
  'identity.too_deep': { status: 403, title: 'It would be delegated too many times' },
  'identity.grant_exists': { status: 409, title: 'The run has a different grant already' },
  'identity.grant_not_found': { status: 404, title: 'The run has no grant, or none any more' },
  'identity.not_the_holder': { status: 403, title: 'The token presented belongs to someone else' },
  'identity.invalid_key': {
    status: 400,
    title: 'This is not a public EC P-256 key as a JWK',
    hint: 'Send {"kty":"EC","crv":"P-256","x":…,"y":…} and never the private member "d".',
  },
  'identity.key_retired': { status: 401, title: 'The key was retired' },
  'identity.last_key': { status: 409, title: 'The last key cannot be retired' },
  'identity.too_many_keys': { status: 409, title: 'There are too many keys' },
  'identity.rotated_meanwhile': { status: 409, title: 'The signing key was rotated by someone else', retry: true },
  'identity.changed_meanwhile': {
    status: 412,
    title: 'It has changed since it was read',
    hint: 'Read it again and repeat the change.',
  },
  'identity.operator_only': { status: 403, title: 'Only the operator may do this' },
} as const satisfies ErrorCatalogue;
