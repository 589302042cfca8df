import { SignJWT, exportJWK, generateKeyPair, type CryptoKey, type JWTPayload } from 'jose';
import { KeySet } from './tokens.keys.js';

/** An authorization server without a network: signs tokens, and serves its JWKS through `fetch`. For tests. */
export class TestIssuer {
  readonly issuer = 'http://issuer.test/oauth';
  fetches = 0;
  /** Set to make the JWKS unreachable. */
  down = false;
  private readonly keys: { kid: string; privateKey: CryptoKey; publicKey: CryptoKey }[] = [];

  async rotate(kid: string): Promise<void> {
    const pair = await generateKeyPair('ES256', { extractable: true });
    this.keys.unshift({ kid, ...pair });
  }

  /** It no longer publishes any key but the newest. */
  retire(): void {
    this.keys.splice(1);
  }

  keySet(cooldownMs = 0, now?: () => number): KeySet {
    const fetch = async () => {
      this.fetches++;
      if (this.down) return new Response('', { status: 502 });
      const keys = await Promise.all(
        this.keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid })),
      );
      return Response.json({ keys });
    };
    return new KeySet({ url: `${this.issuer}/jwks`, cooldownMs, fetch, ...(now && { now }) });
  }

  /** A token with the claims of an agent's, changed by `claims`; `undefined` leaves one out. */
  sign(claims: JWTPayload = {}, { typ = 'at+jwt', alg = 'ES256', at = Date.now(), key = 0 } = {}): Promise<string> {
    const iat = Math.floor(at / 1000);
    const signer = this.keys[key];
    if (!signer) throw new Error('rotate first');
    const all = {
      iss: this.issuer, aud: 'urn:writ:api', sub: 'agt_1', jti: 'tok_1', iat, exp: iat + 300, tenant: 'tnt_a', kind: 'agent',
      authorization_details: [{ type: 'writ', actions: ['run.*'] }], ...claims,
    }; // prettier-ignore
    return new SignJWT(all).setProtectedHeader({ alg, typ, kid: signer.kid }).sign(signer.privateKey);
  }
}
