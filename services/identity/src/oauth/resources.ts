import { errors, type ResourceServer } from 'oidc-provider';

/** Which resources tokens are issued for (RFC 8707): the platform's API, and what lies at the issuer's own origin. */
export class Resources {
  private readonly origin: string;

  /** @param api the audience of the platform's API, for example `urn:writ:api`; also the default. */
  constructor(
    readonly api: string,
    issuer: string,
    private readonly tokenTtlS: number,
  ) {
    this.origin = new URL(issuer).origin;
  }

  /** Whether tokens of this audience are ours. */
  accepts(audience: string): boolean {
    return audience === this.api || URL.parse(audience)?.origin === this.origin;
  }

  /** How a token for that resource is made. @throws `invalid_target` */
  server(identifier: string): ResourceServer {
    if (!this.accepts(identifier))
      throw new errors.InvalidTarget(`${identifier} is not a resource of this installation`);
    return {
      scope: '',
      audience: identifier,
      accessTokenTTL: this.tokenTtlS,
      accessTokenFormat: 'jwt',
      jwt: { sign: { alg: 'ES256' } },
    };
  }
}
