import { newId, refuse, type Capability } from '@writ/ledger/domain';
import { errors, type JWTStructured, type KoaContextWithOIDC } from 'oidc-provider';
import { z } from 'zod';
import { capabilitiesSchema } from '../principal/capability.js';
import type { Presented, TokenCommand } from '../token/token.js';
import type { TokenIssued } from '../token/token.events.js';
import type { Client } from './clients.js';
import { oauthError } from './refusals.js';

/** Has the owner of identity's partition decide on a token. @throws DomainError */
export type IssueToken = (tenant: string, jti: string, command: TokenCommand) => Promise<TokenIssued>;

/** What is known of a token request before its token is issued. */
export interface TokenRequest {
  client: Client;
  /** The key that signed the client assertion. */
  kid: string;
  /** Of a token exchange. */
  exchange?: { presented: Presented; tenant: string; expiresMs: number; run?: string; mayAct?: string };
}

/**
 * Turns what the provider would sign into what the partition decided. This is the one place where a token gets its
 * rights: it runs for every JWT, after all checks of the request and before the signature.
 */
export async function issueInto(
  parts: JWTStructured,
  ctx: KoaContextWithOIDC,
  request: TokenRequest,
  issue: IssueToken,
): Promise<TokenIssued> {
  const jti = newId('tok');
  const { client, exchange } = request;
  const tenant = exchange?.tenant ?? client.tenant;
  const expires = Math.min(
    Number(parts.payload['exp']),
    Math.floor((exchange?.expiresMs ?? Number.POSITIVE_INFINITY) / 1000),
  );
  const wanted = wantedOf(ctx);
  const command = commandOf(request, {
    client: client.id,
    kid: request.kid,
    audience: String(parts.payload['aud']),
    expires: new Date(expires * 1000).toISOString(),
    ...(wanted === undefined ? {} : { wanted }),
  });
  const issued = await issue(tenant, jti, command).catch((error: unknown) => {
    throw oauthError(error);
  });
  parts.payload = claimsOf(parts.payload, { jti, expires, tenant, client, issued });
  return issued;
}

function commandOf({ exchange }: TokenRequest, common: Omit<TokenCommand, 'type'>): TokenCommand {
  if (exchange === undefined) return { ...common, type: 'issue_own' };
  const { presented, run, mayAct } = exchange;
  if (run !== undefined) return { ...common, type: 'issue_for_run', run, presented };
  return { ...common, type: 'narrow', presented, ...(mayAct === undefined ? {} : { mayAct }) };
}

function claimsOf(
  signed: JWTStructured['payload'],
  token: { jti: string; expires: number; tenant: string; client: Client; issued: TokenIssued },
): JWTStructured['payload'] {
  const { issued, client, expires, tenant, jti } = token;
  const { principal, run, budget, act, from, mayAct, groups, details } = issued;
  const kind = principal === client.id ? client.kind : 'agent';
  return {
    iss: signed['iss'],
    aud: signed['aud'],
    sub: principal,
    client_id: client.id,
    jti,
    iat: signed['iat'],
    exp: expires,
    tenant,
    kind,
    authorization_details: details,
    ...(run === undefined ? {} : { run }),
    ...(budget === undefined ? {} : { budget }),
    ...(act.length === 0 ? {} : { act: nested(act) }),
    ...(from.length === 0 ? {} : { from }),
    ...(mayAct === undefined ? {} : { may_act: { sub: mayAct } }),
    ...(groups === undefined ? {} : { groups }),
  };
}

interface Act {
  sub: string;
  act?: Act;
}

/** RFC 8693 section 4.1: the outermost is the current actor, those inside acted before it. */
function nested(chain: readonly string[]): Act | undefined {
  return chain.reduceRight<Act | undefined>((inner, sub) => (inner ? { sub, act: inner } : { sub }), undefined);
}

function wantedOf(ctx: KoaContextWithOIDC): Capability[] | undefined {
  const { params, body } = ctx.oidc;
  const raw = params?.['authorization_details'];
  if (raw === undefined) {
    // The provider takes `[]` for "not given", which would turn a request for nothing into one for everything.
    if (body?.['authorization_details'] !== undefined)
      throw new errors.InvalidAuthorizationDetails('authorization_details must name at least one capability');
    return undefined;
  }
  const parsed = capabilitiesSchema.safeParse(JSON.parse(String(raw)));
  if (parsed.success) return parsed.data;
  throw new errors.InvalidAuthorizationDetails(z.prettifyError(parsed.error));
}

/** The requests in progress, by the context of the HTTP request that they came in. */
export class TokenRequests {
  private readonly requests = new WeakMap<object, TokenRequest>();

  begin(ctx: object, request: TokenRequest): void {
    this.requests.set(ctx, request);
  }

  /** Nothing where the client was not authenticated. */
  find(ctx: object): TokenRequest | undefined {
    return this.requests.get(ctx);
  }

  of(ctx: object): TokenRequest {
    const request = this.find(ctx);
    if (!request) throw refuse('identity.client_not_found', 'the client was not authenticated');
    return request;
  }
}
