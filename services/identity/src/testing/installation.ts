import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Enforcement } from '@writ/enforcement';
import { Ledger } from '@writ/ledger';
import type { RunningService } from '@writ/platform';
import { freePort } from '@writ/servers';
import { eventually, startBackends, type Backends } from '@writ/testkit';
import { start } from '../service.js';
import { OAuthClient } from './oauth-client.js';

/** Identity on real NATS and PostgreSQL, an operator, and one enforcement point somewhere else. */
export class Installation implements AsyncDisposable {
  issuer = '';
  base = '';
  identity!: RunningService;
  ledger!: Ledger;
  enforcement!: Enforcement;
  operator!: OAuthClient;
  private env: Record<string, string> = {};

  private constructor(
    readonly backends: Backends,
    private readonly folder: string,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Installation> {
    const backends = await startBackends();
    const all = new Installation(backends, await mkdtemp(path.join(tmpdir(), 'writ-identity-')));
    const port = await freePort();
    all.base = `http://127.0.0.1:${port}`;
    all.issuer = `${all.base}/oauth`;
    all.operator = await OAuthClient.create('operator', () => all.issuer);
    all.env = {
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_HTTP_PORT: String(port),
      WRIT_ISSUER: all.issuer,
      WRIT_DATA: all.folder,
      WRIT_LOG_LEVEL: 'silent',
      WRIT_OPERATOR_JWK: JSON.stringify(all.operator.key.jwk),
      WRIT_GRACE_MS: '200',
      ...env,
    };
    await all.startIdentity();
    all.ledger = await Ledger.connect({ servers: backends.nats.url });
    all.enforcement = await Enforcement.start({
      ledger: all.ledger,
      issuer: all.issuer,
      audience: ['urn:writ:api'],
      service: 'identity',
    });
    await eventually(() => all.enforcement.health.revocationAgeMs() < 1_000, {
      what: 'the enforcement point hears identity',
    });
    return all;
  }

  async startIdentity(): Promise<void> {
    this.identity = await start(this.env);
  }

  /** Another replica, on a port of its own. */
  startReplica(env: Record<string, string> = {}): Promise<RunningService> {
    return start({ ...this.env, WRIT_HTTP_PORT: '0', ...env });
  }

  /** The code that the enforcement point refuses this token with, or `accepted`. */
  verdict(raw: string | undefined, requires = 'run.read', headers: Record<string, string> = {}): Promise<string> {
    const all: Record<string, string> = { ...(raw && { authorization: `Bearer ${raw}` }), ...headers };
    const method = { name: 'test.v1.Test.Call', requires, public: false };
    return this.enforcement.authenticator.authenticate({ get: (name) => all[name] }, method).then(
      () => 'accepted',
      (error: { code?: string }) => error.code ?? String(error),
    );
  }

  /** One REST call. */
  async call(
    token: string,
    method: string,
    route: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.base}${route}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** A new tenant with an agent that holds these actions. */
  async tenant(): Promise<string> {
    const answer = await this.call(await this.operator.token(), 'POST', '/v1/tenants', { name: 'a tenant' });
    return expectOk(answer)['id'] as string;
  }

  /** A new agent (`agents`) or person (`people`) of a tenant, made by the operator. */
  async principal(
    tenant: string,
    kind: 'agents' | 'people',
    actions: readonly string[],
    more: object = {},
  ): Promise<OAuthClient> {
    const draft = await OAuthClient.create('', () => this.issuer);
    const body = { name: 'somebody', jwk: JSON.stringify(draft.key.jwk), capabilities: [{ actions }], ...more };
    const answer = expectOk(
      await this.call(await this.operator.token(), 'POST', `/v1/${kind}`, body, { 'writ-tenant': tenant }),
    );
    const id = (answer['id'] ?? (answer['agent'] as { id: string }).id) as string;
    return draft.as(id);
  }

  /** Issues a grant as the scheduler does. */
  grant(
    tenant: string,
    run: string,
    command: { agent: string; parent?: string; onBehalfOf?: string[]; details?: object[] },
  ) {
    const actor = { principal: 'scheduler', kind: 'service' } as const;
    return this.ledger
      .commands('identity')
      .send({ tenant, aggregate: 'grant', subject: run, actor, command: { type: 'issue', ...command } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.enforcement?.stop();
    await this.ledger?.drain();
    await this.identity?.stop();
    await this.backends.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The body of a good answer. */
export function expectOk({ status, body }: { status: number; body: Record<string, unknown> }): Record<string, unknown> {
  if (status !== 200) throw new Error(`answered ${status} ${JSON.stringify(body)}`);
  return body;
}
