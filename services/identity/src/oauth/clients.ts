import type { Adapter, AdapterPayload, Client as ProviderClient } from 'oidc-provider';
import type { Keys } from '../principal/keys.js';
import type { PrincipalKind } from '../principal/principal.events.js';
import { kindOf } from '../principal/principal.js';

/** RFC 8693 section 2.1. */
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Who asks for a token. */
export interface Client {
  id: string;
  kind: PrincipalKind;
  tenant: string;
}

/** Finds principals by id over all tenants: client ids are unique in an installation. */
export interface ClientDirectory {
  /** The principal that may ask for tokens, or nothing if there is none or it was revoked. */
  find(id: string): Promise<(Client & { keys: Keys }) | undefined>;
}

/** The ids that principals have. */
const clientId = /^[a-z]{3,10}(?:_[A-Za-z0-9-]{1,100})?$/;

/** The member of the client metadata that holds the principal's tenant. */
export const tenantMember = 'writ_tenant';

/** What the provider asks for clients: they are principals, and nobody registers any other way. */
export function clientFinder(directory: ClientDirectory): Adapter {
  const never = () => Promise.resolve(undefined);
  return {
    async find(id) {
      // Whatever else is sent as a client id, no principal has it, and a database may not even be asked for it.
      if (!clientId.test(id)) return undefined;
      const client = await directory.find(id);
      return client && metadataOf(client);
    },
    upsert: never,
    findByUserCode: never,
    findByUid: never,
    consume: never,
    destroy: never,
    revokeByGrantId: never,
  };
}

/** Client metadata (RFC 7591) of a principal: its own keys, private_key_jwt, two grant types, nothing interactive. */
function metadataOf({ id, tenant, keys }: Client & { keys: Keys }): AdapterPayload {
  return {
    client_id: id,
    [tenantMember]: tenant,
    grant_types: ['client_credentials', tokenExchange],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    authorization_details_types: ['writ'],
    jwks: { keys: keys.map(({ kid, jwk }) => ({ ...jwk, kid, use: 'sig', alg: 'ES256' })) },
  };
}

/** The principal that an authenticated client is. */
export function clientOf(client: ProviderClient): Client {
  const id = client.clientId;
  return { id, kind: kindOf(id) ?? 'agent', tenant: String(client[tenantMember]) };
}
