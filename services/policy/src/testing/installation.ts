import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { actionAggregate, Enforcement } from '@writ/enforcement';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger, type Host } from '@writ/ledger';
import { aggregates, type LedgerEvent } from '@writ/ledger/domain';
import type { RunningService } from '@writ/platform';
import { eventually, startBackends, type Backends } from '@writ/testkit';
import { start } from '../service.js';

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly identity: TestIdentity;
  readonly policy: RunningService;
  readonly tools: Host;
  readonly folder: string;
}

/** The policy service on real NATS and PostgreSQL, and a service `tools` beside it that lets agents act. */
export class Installation implements AsyncDisposable {
  private constructor(
    private readonly parts: Parts,
    readonly enforcement: Enforcement,
  ) {}

  get ledger(): Ledger {
    return this.parts.ledger;
  }

  get identity(): TestIdentity {
    return this.parts.identity;
  }

  get policy(): RunningService {
    return this.parts.policy;
  }

  static async start(): Promise<Installation> {
    const backends = await startBackends();
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-policy-'));
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    const policy = await start({
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: identity.issuer,
      WRIT_DATA: folder,
      WRIT_LOG_LEVEL: 'silent',
      WRIT_GRACE_MS: '200',
    });
    const tools = await ledger.host({ service: 'tools', model: aggregates([actionAggregate]) });
    await tools.ready;
    const enforcement = await Enforcement.start({
      ledger,
      issuer: identity.issuer,
      audience: ['urn:writ:api'],
      service: 'tools',
    });
    await eventually(() => enforcement.health.ready(), { what: 'the enforcement point knows identity and policy' });
    return new Installation({ backends, ledger, identity, policy, tools, folder }, enforcement);
  }

  /** One REST call of the policy service, by default of a person who may do everything in `tnt_1`. */
  async call(
    method: string,
    route: string,
    body?: object,
    claims: TestClaims = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const token = await this.identity.token({ sub: 'psn_1', kind: 'person', ...claims });
    const response = await fetch(`${this.policy.httpUrl}${route}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** Makes these policies active in `tnt_1`, and waits until the enforcement point has them. */
  async push(text: string, mode = 'POLICY_MODE_ENFORCE'): Promise<string> {
    const { status, body } = await this.call('PUT', '/v1/policies', { files: [{ name: 'test.cedar', text }], mode });
    if (status !== 200) throw new Error(JSON.stringify(body));
    const commit = Number(String(body['position']).split('/')[2]);
    await eventually(() => this.enforcement.policies.commit >= commit, { what: 'the policies have arrived' });
    return String(body['version']);
  }

  /** Registers the arguments of a tool, as the tools service does. */
  async register(tool: string, inputSchema: object): Promise<void> {
    const command = { type: 'register', tools: [{ tool, inputSchema }] };
    const actor = { principal: 'tools', kind: 'service' } as const;
    const { position } = await this.ledger
      .commands('policy')
      .send({ tenant: 'tnt_1', aggregate: 'tool_schema', subject: 'tnt_1', command, actor });
    const commit = Number(position.split('/')[2]);
    await eventually(() => this.enforcement.policies.commit >= commit, { what: 'the tool has arrived' });
  }

  /** Everything that stands in a service's ledger. */
  async events(service: 'tools' | 'policy'): Promise<LedgerEvent[]> {
    const all: LedgerEvent[] = [];
    for (let partition = 0; partition < (service === 'tools' ? 4 : 1); partition++) {
      for await (const { events } of this.ledger.read(service, partition)) all.push(...events);
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { backends, ledger, identity, policy, tools, folder } = this.parts;
    await this.enforcement.stop();
    await tools.stop();
    await policy.stop();
    await identity.stop();
    await ledger.drain();
    await backends.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
