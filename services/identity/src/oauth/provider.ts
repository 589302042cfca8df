import { randomBytes } from 'node:crypto';
import type { RefusedCall, TokenVerifier } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import { errors, Provider, type AdapterFactory, type Configuration, type JWK } from 'oidc-provider';
import { z } from 'zod';
import { capabilitySchema } from '../principal/capability.js';
import { clientFinder, clientOf, tenantMember, type ClientDirectory } from './clients.js';
import { registerExchange } from './exchange.js';
import { issueInto, TokenRequests, type IssueToken } from './issuing.js';
import { tellRefusals } from './refusals.js';
import type { Resources } from './resources.js';

export interface AuthorizationServerOptions {
  /** RFC 8414 issuer: the public base URL plus a path, for example `https://writ.example/oauth`. */
  issuer: string;
  resources: Resources;
  tokenTtlS: number;
  directory: ClientDirectory;
  issue: IssueToken;
  /** Verifies the tokens that are presented for exchange. */
  verifier: Pick<TokenVerifier, 'verify'>;
  /** Where the provider keeps what must be seen once: the ids of client assertions. */
  storage: AdapterFactory;
  /** Told of every request that got no token. */
  refused?: (call: RefusedCall) => void;
  log?: Logger;
}

/** Longest life of a client assertion; its `jti` is remembered so long. */
export const assertionTtlS = 300;

/**
 * The authorization server with these private keys, of which the first signs. Keys cannot be changed in a provider, so a
 * rotation makes a new one; it holds nothing between requests.
 */
export function makeProvider(options: AuthorizationServerOptions, keys: readonly JWK[]): Provider {
  const requests = new TokenRequests();
  const provider = new Provider(options.issuer, configuration(options, keys, requests));
  // The mount says over which host and protocol the request came: those of the issuer, whatever the request claims.
  provider.proxy = true;
  registerExchange(provider, { requests, ...options });
  tellRefusals(provider, requests, options.refused ?? (() => {}));
  provider.on('server_error', (_ctx, error) => options.log?.error({ err: error }, 'the authorization server failed'));
  return provider;
}

function configuration(
  { resources, tokenTtlS, directory, issue, storage, issuer }: AuthorizationServerOptions,
  keys: readonly JWK[],
  requests: TokenRequests,
): Configuration {
  return {
    adapter: (name) => (name === 'Client' ? clientFinder(directory) : storage(name)),
    jwks: { keys: [...keys] },
    clientAuthMethods: ['private_key_jwt'],
    clientDefaults: {
      grant_types: [],
      response_types: [],
      token_endpoint_auth_method: 'private_key_jwt',
      id_token_signed_response_alg: 'ES256',
    },
    enabledJWA: { clientAuthSigningAlgValues: ['ES256'], idTokenSigningAlgValues: ['ES256'] },
    responseTypes: ['code'],
    scopes: [],
    extraClientMetadata: { properties: [tenantMember] },
    clockTolerance: 5,
    cookies: { keys: [randomBytes(32)] }, // no flow uses a cookie; unset, the provider warns
    routes: { token: '/token', jwks: '/jwks', authorization: '/authorize' },
    ttl: { ClientCredentials: tokenTtlS, AccessToken: tokenTtlS },
    findAccount: () => undefined,
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false }, // the resource servers do not check proofs yet
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resources.api,
        getResourceServerInfo: (_ctx, identifier) => resources.server(identifier),
      },
      richAuthorizationRequests: {
        enabled: true,
        types: { writ: { validate: (_ctx, detail) => checkDetail(detail) } },
        authorizationDetailsForGrantSource: () => undefined,
        // The rights of a token are decided in one place, when it is signed: see issueInto.
        authorizationDetailsForAccessToken: () => undefined,
      },
    },
    assertJwtClientAuthClaimsAndHeader: (ctx, claims, header, client) => {
      requests.begin(ctx, { client: clientOf(client), kid: checkAssertion(claims, header, issuer) });
    },
    formats: {
      customizers: {
        async jwt(ctx, token, parts) {
          const issued = await issueInto(parts, ctx, requests.of(ctx), issue);
          Object.assign(token, { expiresIn: Number(parts.payload['exp']) - Number(parts.payload['iat']) });
          token.rar = issued.details as unknown as NonNullable<typeof token.rar>;
        },
      },
    },
  };
}

function checkDetail(detail: object): void {
  const parsed = capabilitySchema.safeParse(detail);
  if (!parsed.success) throw new errors.InvalidAuthorizationDetails(z.prettifyError(parsed.error));
}

/**
 * Stricter than RFC 7523: a short life, and the issuer alone as audience, so that an assertion made for one server can
 * never be used at another. The `kid` that it was signed with.
 */
function checkAssertion(claims: Record<string, unknown>, header: Record<string, unknown>, issuer: string): string {
  const { aud, exp } = claims;
  const refused = (why: string) => Object.assign(new errors.InvalidClientAuth(why), { error_description: why });
  if (aud !== issuer && !(Array.isArray(aud) && aud.length === 1 && aud[0] === issuer))
    throw refused(`the audience of a client assertion must be the issuer ${issuer} alone`);
  if (Number(exp) > Date.now() / 1000 + assertionTtlS)
    throw refused(`a client assertion may live for at most ${assertionTtlS} s`);
  if (typeof header['kid'] !== 'string')
    throw refused('a client assertion must name its key: kid, the RFC 7638 thumbprint');
  return header['kid'];
}
