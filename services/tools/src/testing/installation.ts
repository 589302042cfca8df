import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import type { RunningService } from '@writ/platform';
import { eventually, startBackends, startProcess, type Backends, type ProjectProcess } from '@writ/testkit';
import { start } from '../service.js';
import { LocalProcesses } from './local-processes.js';

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly policy: ProjectProcess;
  readonly policyUrl: string;
  readonly environment: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The tool gateway on real NATS and PostgreSQL with the real policy service beside it; identity is a stand-in. */
export class Installation implements AsyncDisposable {
  readonly processes = new LocalProcesses();
  tools!: RunningService;

  private constructor(
    private readonly parts: Parts,
    readonly identity: TestIdentity,
    /** A folder of this test. */
    readonly folder: string,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Installation> {
    const backends = await startBackends();
    const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'writ-tools-')));
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    const environment = {
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: identity.issuer,
      WRIT_DATA: folder,
      WRIT_LOG_LEVEL: process.env['WRIT_TEST_LOG'] ?? 'silent',
      WRIT_GRACE_MS: '200',
    };
    const policy = startProcess('services/policy/src/main.ts', { env: environment });
    const [, line = ''] = await policy.line(/^(\{"ready".*)$/, 60_000);
    const { ready } = JSON.parse(line) as { ready: { httpUrl: string } };
    const parts = { backends, ledger, policy, policyUrl: ready.httpUrl, environment };
    const installation = new Installation(parts, identity, folder);
    await installation.restart(env);
    return installation;
  }

  get ledger(): Ledger {
    return this.parts.ledger;
  }

  /** The audience of tokens for the MCP endpoint. */
  get mcpAudience(): string {
    return `${new URL(this.identity.issuer).origin}/mcp`;
  }

  /** Starts the gateway, again where it runs. */
  async restart(env: Record<string, string> = {}): Promise<void> {
    await (this.tools as RunningService | undefined)?.stop();
    this.tools = await start({ ...this.parts.environment, ...env }, { stdio: this.processes });
    await eventually(async () => (await this.call('GET', '/v1/tools')).status === 200, { what: 'callers are let in' });
  }

  /** One REST call of the gateway, by default of a person who may do everything in `tnt_1`. */
  async call(method: string, route: string, body?: object, claims: TestClaims = {}): Promise<Answer> {
    return this.request(this.tools.httpUrl, method, route, body, { sub: 'psn_1', kind: 'person', ...claims });
  }

  /** Calls a tool as the agent `agt_1`. */
  async callTool(tool: string, input: object, more: object = {}, claims: TestClaims = {}): Promise<Answer> {
    return this.request(this.tools.httpUrl, 'POST', '/v1/tools:call', { tool, arguments: input, ...more }, claims);
  }

  /** One REST call of the policy service, of a person who may do everything in `tnt_1`. */
  async policy(method: string, route: string, body?: object): Promise<Answer> {
    return this.request(this.parts.policyUrl, method, route, body, { sub: 'psn_1', kind: 'person' });
  }

  /** Makes these policies active in `tnt_1`. */
  async push(text: string): Promise<void> {
    const body = { files: [{ name: 'test.cedar', text }], mode: 'POLICY_MODE_ENFORCE' };
    const answer = await this.policy('PUT', '/v1/policies', body);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  }

  /** Adds a server and approves all that it offers. */
  async connect(name: string, spec: object): Promise<string[]> {
    const added = await this.call('POST', '/v1/tool-servers', { name, spec });
    if (added.status !== 200) throw new Error(JSON.stringify(added.body));
    const tools = added.body['tools'] as { name: string; hash: string }[];
    for (const { name: tool, hash } of tools) {
      const approved = await this.call('POST', '/v1/tools:approve', { name: tool, hash });
      if (approved.status !== 200) throw new Error(JSON.stringify(approved.body));
    }
    return tools.map((tool) => tool.name);
  }

  /** Everything that stands in the gateway's ledger. */
  async events(type?: string): Promise<LedgerEvent[]> {
    const all: LedgerEvent[] = [];
    for (let partition = 0; partition < 4; partition++)
      for await (const { events } of this.ledger.read('tools', partition)) all.push(...events);
    return type === undefined ? all : all.filter((event) => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { backends, ledger, policy } = this.parts;
    await this.tools.stop();
    await policy.stop();
    await this.identity.stop();
    await ledger.drain();
    await backends.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async request(
    base: string,
    method: string,
    route: string,
    body: object | undefined,
    claims: TestClaims,
  ): Promise<Answer> {
    const response = await fetch(`${base}${route}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.identity.token(claims)}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}
