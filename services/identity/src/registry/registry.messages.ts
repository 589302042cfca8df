import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { invalid } from '@writ/api';
import { newId, refuse, type Capability, type IdPrefix } from '@writ/ledger/domain';
import type {
  AgentSchema,
  Capability as CapabilityMessage,
  PersonSchema,
  RevocationSchema,
  TenantSchema,
} from '@writ/proto/identity/v1/identity';
import { calculateJwkThumbprint, importJWK } from 'jose';
import { publicJwkSchema, type Key } from '../principal/keys.js';
import type { PrincipalRow, RevocationRow, TenantRow } from './registry.entities.js';

/** An agent as the API shows it. */
export function agentMessage(row: PrincipalRow): MessageInitShape<typeof AgentSchema> {
  return { ...principalFields(row), owner: row.owner ?? '' };
}

/** A person as the API shows it. */
export function personMessage(row: PrincipalRow): MessageInitShape<typeof PersonSchema> {
  return { ...principalFields(row), groups: row.groups };
}

function principalFields({ id, name, state, capabilities, keys, version, created }: PrincipalRow) {
  return {
    id,
    name,
    state,
    capabilities: capabilities.map(capabilityMessage),
    keys: keys.map(({ kid, jwk }) => ({ kid, jwk: JSON.stringify(jwk) })),
    createTime: timestampFromDate(created),
    etag: `"${version}"`,
  };
}

export function tenantMessage({ created, ...row }: TenantRow): MessageInitShape<typeof TenantSchema> {
  return { ...row, createTime: timestampFromDate(created) };
}

export function revocationMessage(row: RevocationRow): MessageInitShape<typeof RevocationSchema> {
  const { subject, kind, reason, epoch, revokedBy, revoked } = row;
  return { subject, kind, reason, epoch: BigInt(epoch), revokedBy, revokeTime: timestampFromDate(revoked) };
}

export function capabilityMessage({ actions, resources }: Capability): { actions: string[]; resources: string[] } {
  return { actions: [...actions], resources: [...(resources ?? [])] };
}

/** On the wire no resources means every resource, as absent does inside. */
export function capabilitiesOf(messages: readonly CapabilityMessage[]): Capability[] {
  return messages.map(({ actions, resources }) => ({
    type: 'writ',
    actions,
    ...(resources.length > 0 && { resources }),
  }));
}

/** The version that an etag names; undefined for none. @throws DomainError `request.invalid` */
export function versionOf(etag: string): number | undefined {
  if (etag === '') return undefined;
  const digits = /^"?(\d+)"?$/.exec(etag)?.[1];
  if (digits === undefined) throw invalid([{ field: 'etag', detail: 'is not an etag that this service gave' }]);
  return Number(digits);
}

/** The id that the caller chose, or a new one. @throws DomainError `request.invalid` */
export function chosenId(prefix: IdPrefix, wanted: string): string {
  if (wanted === '') return newId(prefix);
  if (new RegExp(`^${prefix}_[A-Za-z0-9-]{1,59}$`).test(wanted)) return wanted;
  throw invalid([{ field: 'id', detail: `must be ${prefix}_ and 1 to 59 letters, digits or hyphens` }]);
}

/** A public key and its thumbprint (RFC 7638). @throws DomainError `identity.invalid_key` for anything else, above all private keys */
export async function keyOf(text: string): Promise<Key> {
  try {
    const parsed = JSON.parse(text) as Record<string, unknown>;
    if ('d' in parsed)
      throw refuse('identity.invalid_key', 'this is a private key: it must never leave its owner; make a new one');
    const { kty, crv, x, y } = parsed;
    const jwk = publicJwkSchema.parse({ kty, crv, x, y });
    await importJWK(jwk, 'ES256'); // throws where the point is not on the curve
    return { kid: await calculateJwkThumbprint(jwk), jwk };
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'DomainError') throw cause;
    throw refuse(
      'identity.invalid_key',
      'a public EC P-256 key as a JWK is needed: {"kty":"EC","crv":"P-256","x":…,"y":…}',
    );
  }
}
