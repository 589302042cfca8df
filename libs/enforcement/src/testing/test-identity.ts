import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Authenticator, Caller } from '@writ/api';
import type { Ledger } from '@writ/ledger';
import { aggregates, newId, type Actor, type Capability } from '@writ/ledger/domain';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { heartbeatEveryMs, heartbeatSubject, type Heartbeat } from '../revocations.freshness.js';

const actor: Actor = { principal: 'identity', kind: 'service' };
const kid = 'test';

/** Revocations as identity writes them, and nothing else of it. */
const revocation = {
  name: 'revocation',
  initial: 0,
  events: ['revocation.issued.v1'],
  decide: (command: { type: 'revoke'; data: object }) => [{ type: 'revocation.issued.v1', data: command.data }],
  evolve: (count: number) => count + 1,
};

/** What a token says beside the defaults. */
export interface TestClaims extends JWTPayload {
  readonly tenant?: string;
  readonly kind?: Actor['kind'];
  readonly run?: string;
  readonly authorization_details?: readonly Capability[];
}

/**
 * Stands for the identity service in tests of others: a real issuer with a JWKS over HTTP, tokens that it signs, the heartbeat,
 * and revocations in `LEDGER_IDENTITY_00`. Agents need no registration: whoever gets a token exists.
 */
export class TestIdentity implements AsyncDisposable {
  private epoch = 0;
  private beating: NodeJS.Timeout | undefined;

  private constructor(
    private readonly ledger: Ledger,
    private readonly server: Server,
    private readonly key: CryptoKey,
    private readonly host: { stop(): Promise<void> },
  ) {}

  static async start(ledger: Ledger): Promise<TestIdentity> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256' }] });
    const server = createServer((_request, response) =>
      response.setHeader('content-type', 'application/json').end(keys),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = await ledger.host({ service: 'identity', partitions: 1, model: aggregates([revocation]) });
    await host.ready;
    const identity = new TestIdentity(ledger, server, privateKey, host);
    identity.beat();
    return identity;
  }

  /** `WRIT_ISSUER`; the keys are at `<issuer>/jwks`. */
  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/oauth`;
  }

  /** A signed access token; by default of `agt_1` in `tnt_1`, good for everything, for five minutes. */
  token(claims: TestClaims = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      iss: this.issuer,
      aud: 'urn:writ:api',
      sub: 'agt_1',
      jti: newId('tok'),
      iat: now,
      exp: now + 300,
      tenant: 'tnt_1',
      kind: 'agent',
      authorization_details: [{ type: 'writ', actions: ['*'] }],
      ...claims,
    };
    return new SignJWT(all as JWTPayload).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(this.key);
  }

  /** A caller as the API kernel makes it from such a token. @throws DomainError `auth.*` */
  async caller(authenticator: Authenticator, claims: TestClaims = {}): Promise<Caller> {
    const headers = new Map([['authorization', `Bearer ${await this.token(claims)}`]]);
    const identity = await authenticator.authenticate(headers, { name: 'test.v1.Test.Call', public: false });
    return { ...identity, headers, requestId: newId('req'), signal: new AbortController().signal };
  }

  /** Takes authority away; resolves when it is committed. */
  async revoke(
    subject: string,
    kind: 'agent' | 'person' | 'run' | 'token' | 'tenant',
    tenant = 'tnt_1',
  ): Promise<void> {
    const data = { subject, kind, reason: 'test', epoch: ++this.epoch };
    await this.ledger
      .commands('identity')
      .send({ tenant, aggregate: 'revocation', subject, command: { type: 'revoke', data } as { type: string }, actor });
  }

  /** Falls silent, as when identity is gone. */
  silence(): void {
    clearInterval(this.beating);
    this.beating = undefined;
  }

  /** Speaks, as the owner of identity's partition does. */
  beat(): void {
    const clock = randomUUID();
    const send = async (): Promise<void> => {
      const sentMs = performance.now();
      const commit = await this.ledger.last('identity', 0);
      const heartbeat: Heartbeat = { commit, sentMs, clock, claim: 1, epoch: this.epoch, floor: 0 };
      if (this.beating !== undefined) this.ledger.nc.publish(heartbeatSubject, JSON.stringify(heartbeat));
    };
    // Without a broker there is no heartbeat, as in the real one.
    const quietly = (): void => void send().catch(() => undefined);
    this.beating = setInterval(quietly, heartbeatEveryMs);
    quietly();
  }

  async stop(): Promise<void> {
    this.silence();
    await this.host.stop();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
