import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { newId } from '@writ/ledger/domain';
import type { Key, PublicJwk } from '../principal/keys.js';

/** A principal with a private key, asking the token endpoint as any OAuth client would: with `fetch` and a form. */
export class OAuthClient {
  private base: string | undefined;

  private constructor(
    readonly id: string,
    readonly key: Key,
    private readonly privateKey: CryptoKey,
    private readonly issuer: () => string,
  ) {}

  static async create(id: string, issuer: () => string): Promise<OAuthClient> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = (await exportJWK(publicKey)) as PublicJwk;
    return new OAuthClient(id, { kid: await calculateJwkThumbprint(jwk), jwk }, privateKey, issuer);
  }

  /** The same keys under another id. */
  as(id: string): OAuthClient {
    return new OAuthClient(id, this.key, this.privateKey, this.issuer);
  }

  /** The same client, asking another replica: there the token endpoint is reached, the issuer stays the same. */
  at(base: string): OAuthClient {
    return this.as(this.id).asking(base);
  }

  private asking(base: string): this {
    this.base = base;
    return this;
  }

  assertion(claims: Record<string, unknown> = {}, kid = this.key.kid): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: this.id,
      sub: this.id,
      aud: this.issuer(),
      jti: newId('jti'),
      iat,
      exp: iat + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(this.privateKey);
  }

  /** One request to the token endpoint; `parameters` add to the client authentication, or replace it. */
  async request(parameters: Record<string, string>): Promise<{ status: number; body: Record<string, unknown> }> {
    const form = {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await this.assertion(),
      ...parameters,
    };
    const response = await fetch(`${this.base ?? this.issuer()}/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** A token of one's own. @throws Error with the answer when it is refused */
  async token(parameters: Record<string, string> = {}): Promise<string> {
    return accessToken(await this.request({ grant_type: 'client_credentials', ...parameters }));
  }

  /** Exchanges a token; refusals are answers. */
  exchange(
    subjectToken: string,
    parameters: Record<string, string> = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    return this.request({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subjectToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...parameters,
    });
  }

  /** The token of a run. @throws Error with the answer when it is refused */
  async runToken(run: string, parameters: Record<string, string> = {}): Promise<string> {
    return accessToken(await this.exchange(await this.token(), { run, ...parameters }));
  }
}

/** The token of a good answer. */
export function accessToken({ status, body }: { status: number; body: Record<string, unknown> }): string {
  if (status !== 200) throw new Error(`the token endpoint answered ${status} ${JSON.stringify(body)}`);
  return String(body['access_token']);
}
