import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { Replicas, type RunningService } from '@writ/platform';
import { eventually, startBackends, startProcess, type Backends, type ProjectProcess } from '@writ/testkit';
import { start } from '../service.js';
import { Runners } from '../upstream/runners.js';
import { SandboxedServers, type StdioServers } from '../upstream/sandboxed-server.js';
import { LocalProcesses } from './local-processes.js';

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly policy: ProjectProcess;
  readonly policyUrl: string;
  readonly environment: Record<string, string>;
  readonly undo: (() => unknown)[];
}

export interface InstallationOptions {
  /** Servers over stdio run in sandboxes of a real runner, which may show them this folder of the host. */
  readonly sandboxes?: { readonly mounts: string };
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The tool gateway on real NATS and PostgreSQL with the real policy service beside it; identity is a stand-in. */
export class Installation implements AsyncDisposable {
  readonly processes = new LocalProcesses();
  tools!: RunningService;
  stdio: StdioServers = this.processes;
  private runner: ProjectProcess | undefined;

  private constructor(
    private readonly parts: Parts,
    readonly identity: TestIdentity,
    /** A folder of this test. */
    readonly folder: string,
  ) {}

  static async start(env: Record<string, string> = {}, options: InstallationOptions = {}): Promise<Installation> {
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
    const parts = { backends, ledger, policy, policyUrl: ready.httpUrl, environment, undo: [] };
    const installation = new Installation(parts, identity, folder);
    if (options.sandboxes !== undefined) await installation.startRunner(options.sandboxes.mounts);
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
    this.tools = await start({ ...this.parts.environment, ...env }, { stdio: this.stdio });
    await eventually(async () => (await this.call('GET', '/v1/tools')).status === 200, { what: 'callers are let in' });
  }

  /** Another replica of the gateway. */
  async another(env: Record<string, string>): Promise<RunningService> {
    const replica = await start({ ...this.parts.environment, ...env }, { stdio: this.stdio });
    this.parts.undo.unshift(() => replica.stop());
    return replica;
  }

  /** One REST call of the gateway, by default of a person who may do everything in `tnt_1`. */
  async call(method: string, route: string, body?: object, claims: TestClaims = {}): Promise<Answer> {
    return this.request(this.tools.httpUrl, method, route, body, { sub: 'psn_1', kind: 'person', ...claims });
  }

  /** Calls a tool as the agent `agt_1`. */
  async callTool(
    tool: string,
    input: object,
    more: object = {},
    claims: TestClaims = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const body = { tool, arguments: input, ...more };
    return this.request(this.tools.httpUrl, 'POST', '/v1/tools:call', body, claims, signal);
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
    const { backends, ledger, policy, undo } = this.parts;
    await this.tools.stop();
    for (const step of undo) await step();
    await policy.stop();
    await this.identity.stop();
    await ledger.drain();
    await backends.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The gateway has no identity service to ask for a token of its own; it gets one as it would be. */
  private async startRunner(mounts: string): Promise<void> {
    this.parts.undo.push(() => this.runner?.stop());
    await this.runAgain(mounts);
    const capabilities = ['sandbox.create', 'sandbox.exec', 'sandbox.read', 'sandbox.stop'];
    const token = {
      clientId: 'svc_tools',
      metadata: async (tenant: string) => ({
        authorization: `Bearer ${await this.identity.token({
          sub: 'svc_tools',
          kind: 'operator',
          tenant: 'system',
          authorization_details: [{ type: 'writ', actions: capabilities }],
        })}`,
        'writ-tenant': tenant,
      }),
    };
    const replicas = await Replicas.follow(this.ledger.nc);
    const runners = new Runners(Promise.resolve(replicas));
    this.parts.undo.unshift(() => (runners.close(), replicas.stop()));
    this.stdio = new SandboxedServers(runners, token);
  }

  /** Starts the sandbox runner, where one runs after killing it. */
  async runAgain(mounts: string): Promise<void> {
    await this.runner?.kill();
    const env = { ...this.parts.environment, WRIT_SANDBOX_MOUNTS: mounts, WRIT_SANDBOX_READY: '0' };
    this.runner = startProcess('services/sandbox-runner/src/main.ts', { env });
    await this.runner.line(/^(\{"ready".*)$/, 60_000);
  }

  private async request(
    base: string,
    method: string,
    route: string,
    body: object | undefined,
    claims: TestClaims,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(`${base}${route}`, {
      method,
      signal: signal ?? null,
      headers: {
        authorization: `Bearer ${await this.identity.token(claims)}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}
