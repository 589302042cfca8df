/** Writ over plain HTTP, the way any program without the SDK would use it: a signed assertion, a token, JSON. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SignJWT, calculateJwkThumbprint, importJWK, type JWK } from 'jose';

/** A principal's id and private key, as `WRIT_KEY_FILE` holds them. */
export interface Key {
  readonly client_id: string;
  readonly jwk: JWK;
}

/** A problem document (RFC 9457) as an error. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(`${code}: ${detail}`);
  }
}

/** Of one request that may be made again. */
const mostTries = 10;

/** A new EC P-256 key pair. */
export function newKeyPair(): { jwk: JWK; publicJwk: JWK } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const alg = { alg: 'ES256' };
  return {
    jwk: { ...privateKey.export({ format: 'jwk' }), ...alg } as JWK,
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...alg } as JWK,
  };
}

/** Calls the API as one principal, in one tenant. */
export class Rest {
  private token: { value: string; until: number } | undefined;

  constructor(
    readonly url: string,
    readonly key: Key,
    /** Only an operator may name a tenant. */
    private readonly tenant?: string,
  ) {}

  as(key: Key): Rest {
    return new Rest(this.url, key);
  }

  /** The operator's door into a tenant. */
  in(tenant: string): Rest {
    return new Rest(this.url, this.key, tenant);
  }

  /** An access token: private_key_jwt (RFC 7523 section 2.2), client credentials, RFC 8707 resource. */
  async accessToken(): Promise<string> {
    if (this.token && this.token.until > Date.now()) return this.token.value;
    const { client_id: clientId, jwk } = this.key;
    const issuer = `${this.url}/oauth`;
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: await calculateJwkThumbprint(jwk) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(issuer)
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(await importJWK(jwk, 'ES256'));
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        resource: 'urn:writ:api',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    const body = (await response.json()) as {
      access_token: string;
      expires_in: number;
      error?: string;
      error_description?: string;
    };
    if (!response.ok) throw new Problem(response.status, body.error ?? 'oauth', body.error_description ?? 'no token');
    this.token = { value: body.access_token, until: Date.now() + (body.expires_in - 30) * 1000 };
    return body.access_token;
  }

  get<T>(path: string): Promise<T> {
    return this.request('GET', path);
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.request('POST', path, body);
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.request('PUT', path, body);
  }

  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    for (let tries = 1; ; tries++) {
      const response = await this.send(method, path, body);
      const text = await response.text();
      const json = (text === '' ? {} : JSON.parse(text)) as { code?: string; detail?: string; title?: string };
      if (response.ok) return json as T;
      // Turned away at the door of a service that does not know yet whom to trust: nothing was done, and it says when to come again.
      const again = Number(response.headers.get('retry-after'));
      if (json.code !== 'auth.revocation_unknown' || again === 0 || tries === mostTries)
        throw new Problem(response.status, json.code ?? String(response.status), json.detail ?? json.title ?? '');
      await delay(again * 1000);
    }
  }

  private async send(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.accessToken()}`,
        ...(this.tenant !== undefined && { 'writ-tenant': this.tenant }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
}
