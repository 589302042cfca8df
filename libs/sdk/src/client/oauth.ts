import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { JWK } from 'jose';
import { WritError } from '../errors/errors.js';

/** A client of the authorization server: its id and its private key (EC P-256), as a key file holds them: `{"client_id": "agt_…", "jwk": {…}}`. */
export interface ClientKey {
  readonly clientId: string;
  readonly jwk: JWK;
}

/** An access token with the instant it ends. */
export interface AccessToken {
  readonly value: string;
  readonly expires: Date;
}

/** Reads a key file. @throws WritError `auth.bad_key_file` */
export async function readKeyFile(path: string): Promise<ClientKey> {
  const bad = (why: string, cause?: unknown) =>
    new WritError(`the key file ${path} ${why}`, {
      code: 'auth.bad_key_file',
      cause,
      hint: 'it holds {"client_id": "agt_…", "jwk": {private EC P-256 key}}',
    });
  let parsed: { client_id?: unknown; jwk?: JWK } | null;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8')) as typeof parsed;
  } catch (error) {
    throw bad('cannot be read', error);
  }
  if (typeof parsed?.client_id !== 'string' || typeof parsed.jwk?.d !== 'string')
    throw bad('holds no private key of a client');
  return { clientId: parsed.client_id, jwk: parsed.jwk };
}

/** The metadata of an issuer with a path stands at the root, before that path (RFC 8414 section 3.1). */
function metadataUrl(issuer: string): URL {
  const url = new URL(issuer);
  url.pathname = `/.well-known/oauth-authorization-server${url.pathname.replace(/\/$/, '')}`;
  return url;
}

/** The token endpoint of one issuer, for one client: client_credentials (RFC 6749 4.4), token exchange (RFC 8693), private_key_jwt (RFC 7523). */
export class OAuthClient {
  #tokenEndpoint: Promise<string> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly key: ClientKey,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** A token of the client's own. */
  own(audience: string): Promise<AccessToken> {
    return this.#request({ grant_type: 'client_credentials', resource: audience });
  }

  /** The token of a run, narrowed to its grant. */
  forRun(run: string, ownToken: string, audience: string): Promise<AccessToken> {
    return this.#request({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: ownToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      resource: audience,
      run,
    });
  }

  async #assertion(): Promise<string> {
    const { SignJWT, calculateJwkThumbprint, importJWK } = await import('jose');
    const { d: _private, ...publicJwk } = this.key.jwk;
    return new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: await calculateJwkThumbprint(publicJwk as JWK) })
      .setIssuer(this.key.clientId)
      .setSubject(this.key.clientId)
      .setAudience(this.issuer)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(await importJWK(this.key.jwk, 'ES256'));
  }

  async #request(parameters: Record<string, string>): Promise<AccessToken> {
    const body = new URLSearchParams({
      ...parameters,
      client_id: this.key.clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await this.#assertion(),
    });
    const asked = Date.now();
    const response = await this.#fetch(await this.#endpoint(), { method: 'POST', body });
    const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (!response.ok || typeof answer['access_token'] !== 'string') throw refusalOf(response.status, answer);
    return { value: answer['access_token'], expires: new Date(asked + Number(answer['expires_in'] ?? 60) * 1_000) };
  }

  async #endpoint(): Promise<string> {
    this.#tokenEndpoint ??= this.#discover();
    try {
      return await this.#tokenEndpoint;
    } catch (error) {
      this.#tokenEndpoint = undefined;
      throw error;
    }
  }

  async #discover(): Promise<string> {
    const response = await this.#fetch(metadataUrl(this.issuer));
    const metadata = (await response.json().catch(() => ({}))) as { token_endpoint?: unknown };
    if (response.ok && typeof metadata.token_endpoint === 'string') return metadata.token_endpoint;
    throw new WritError(`${this.issuer} gave no metadata of an authorization server (HTTP ${response.status})`, {
      code: 'service.unavailable',
      retryable: true,
    });
  }

  async #fetch(url: string | URL, init?: RequestInit): Promise<Response> {
    try {
      return await this.fetch(url, init);
    } catch (cause) {
      throw new WritError(`the authorization server at ${this.issuer} is not reachable`, {
        code: 'service.unavailable',
        retryable: true,
        cause,
      });
    }
  }
}

/**
 * RFC 6749 section 5.2; our own code begins the description: `identity.exceeds_parent: …`. Why a client was not believed is for
 * people; programs ask whether it was.
 */
function refusalOf(status: number, answer: Record<string, unknown>): WritError {
  const description = String(answer['error_description'] ?? answer['error'] ?? `HTTP ${status}`);
  const [, code] = /^([a-z]+\.[a-z_]+): /.exec(description) ?? [];
  const refused = {
    invalid_grant: 'auth.invalid_grant',
    invalid_target: 'auth.wrong_audience',
  };
  return new WritError(`no token: ${description}`, {
    code:
      (answer['error'] === 'invalid_client' ? 'auth.invalid_client' : code) ??
      refused[answer['error'] as keyof typeof refused] ??
      (status >= 500 ? 'service.unavailable' : 'auth.refused'),
    retryable: status >= 500 || status === 429,
    details: { error: answer['error'] },
  });
}
