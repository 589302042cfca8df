import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, SignJWT, type JWK } from 'jose';

const RENEW_BEFORE_MS = 60_000;

/** The access token of this service itself: private_key_jwt and client credentials, renewed before it ends. */
export class ServiceToken {
  private current: { value: string; until: number } | undefined;
  private asking: Promise<string> | undefined;

  constructor(
    private readonly identity: {
      clientId: string;
      jwk: JWK;
      issuer: string;
      audience: string;
      address?: string | undefined;
    },
  ) {}

  /** The principal behind it. */
  get clientId(): string {
    return this.identity.clientId;
  }

  /** gRPC metadata of a call in a tenant. */
  async metadata(tenant: string): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await this.value()}`, 'writ-tenant': tenant };
  }

  private async value(): Promise<string> {
    if (this.current && this.current.until - RENEW_BEFORE_MS > Date.now()) return this.current.value;
    return (this.asking ??= this.ask().finally(() => (this.asking = undefined)));
  }

  private async ask(): Promise<string> {
    const { clientId, jwk, issuer, audience, address = issuer } = this.identity;
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: await calculateJwkThumbprint(jwk) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(issuer)
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(await importJWK(jwk, 'ES256'));
    const response = await fetch(`${address}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        resource: audience,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    if (!response.ok)
      throw new Error(
        `identity gave ${clientId} no token (${response.status}): ${(await response.text()).slice(0, 300)}`,
      );
    const { access_token: value, expires_in: seconds } = (await response.json()) as {
      access_token: string;
      expires_in: number;
    };
    this.current = { value, until: Date.now() + seconds * 1000 };
    return value;
  }
}
