import { errors, type Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import type { TokenVerifier, VerifiedToken } from '@writ/enforcement';
import type { TokenRequests } from './issuing.js';
import { invalidGrant, oauthError } from './refusals.js';
import { tokenExchange } from './clients.js';
import type { Resources } from './resources.js';

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

interface ExchangeParameters {
  subject_token?: string;
  subject_token_type?: string;
  requested_token_type?: string;
  resource?: string | string[];
  /** Ours: the run that the token is for. */
  run?: string;
  /** Ours: who may exchange the result (it becomes the claim `may_act`, RFC 8693 section 4.4). */
  may_act?: string;
}

const parameters = [
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'resource',
  'authorization_details',
  'run',
  'may_act',
];

export interface ExchangeOptions {
  verifier: Pick<TokenVerifier, 'verify'>;
  requests: TokenRequests;
  resources: Resources;
}

/** Token exchange (RFC 8693): a run's token, or a narrower copy that may be handed to a sub-agent. */
export function registerExchange(provider: Provider, options: ExchangeOptions): void {
  const handler = async (ctx: TokenEndpointGrantContext<ExchangeParameters>) => {
    const { params, client } = ctx.oidc;
    checkTypes(params);
    const subject = await presented(params.subject_token, options);
    const request = options.requests.of(ctx);
    options.requests.begin(ctx, {
      ...request,
      exchange: {
        tenant: subject.tenant,
        expiresMs: params.run === undefined ? subject.expiresMs : Number.POSITIVE_INFINITY,
        ...(params.run === undefined ? {} : { run: params.run }),
        ...(params.may_act === undefined ? {} : { mayAct: params.may_act }),
        presented: {
          sub: subject.principal,
          jti: subject.id,
          details: subject.grant,
          act: subject.act,
          from: subject.from,
          ...(subject.run === undefined ? {} : { run: subject.run }),
          ...(subject.mayAct === undefined ? {} : { mayAct: subject.mayAct }),
        },
      },
    });
    const token = new provider.ClientCredentials({
      client,
      resourceServer: target(provider, params, options.resources),
    });
    const value = await token.save();
    ctx.body = {
      access_token: value,
      issued_token_type: accessTokenType,
      token_type: token.tokenType,
      expires_in: token.expiration,
      authorization_details: token.rar,
    };
  };
  provider.registerGrantType<ExchangeParameters>(tokenExchange, handler, parameters, ['resource']);
}

function checkTypes(params: ExchangeParameters): void {
  if (params.subject_token === undefined)
    throw new errors.InvalidRequest('missing required parameter(s) subject_token');
  if (params.subject_token_type !== accessTokenType)
    throw new errors.InvalidRequest(`subject_token_type must be ${accessTokenType}`);
  if (params.requested_token_type !== undefined && params.requested_token_type !== accessTokenType)
    throw new errors.InvalidRequest(`requested_token_type, if given, must be ${accessTokenType}`);
  if (params.may_act !== undefined && !/^(?:agt|psn)_[A-Za-z0-9-]{1,59}$/.test(params.may_act))
    throw new errors.InvalidRequest('may_act must be the id of an agent or of a person');
  if (params.run !== undefined && params.may_act !== undefined)
    throw new errors.InvalidRequest('run and may_act exclude each other: narrow the run’s token in a second exchange');
}

async function presented(raw: string | undefined, { verifier, resources }: ExchangeOptions): Promise<VerifiedToken> {
  const token = await verifier.verify(raw ?? '').catch((error: unknown) => {
    throw oauthError(error);
  });
  if (!token.audience.some((each) => resources.accepts(each)))
    throw invalidGrant('auth.wrong_audience: the subject token was made for another audience');
  return token;
}

function target(provider: Provider, { resource }: ExchangeParameters, resources: Resources) {
  if (Array.isArray(resource))
    throw new errors.InvalidTarget('only a single resource indicator value is supported for this grant type');
  const identifier = resource ?? resources.api;
  return new provider.ResourceServer(identifier, resources.server(identifier));
}
