import { clientOf, GrpcChannel, type GrpcClient } from '@writ/api';
import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger, type Host } from '@writ/ledger';
import { aggregates, newId, type LedgerEvent } from '@writ/ledger/domain';
import type { RunningService } from '@writ/platform';
import { ArtifactService, SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { eventually, startBackends, type Backends } from '@writ/testkit';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { start } from '../service.js';

/** Writes what policy writes, unchecked. */
const policySet = {
  name: 'policy_set',
  initial: 0,
  events: ['policy_set.pushed.v1', 'policy_set.activated.v1'],
  decide: ({ version, text }: { type: 'push'; version: string; text: string }) => [
    { type: 'policy_set.pushed.v1', data: { version, files: [{ name: 'p', text }], policies: 1 } },
    { type: 'policy_set.activated.v1', data: { version, mode: 'enforce', policies: 1 } },
  ],
  evolve: (count: number) => count + 1,
};

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly policy: Host;
  readonly identity: TestIdentity;
  readonly folder: string;
}

/** Everything that a command said, and how it ended. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly reason: string;
}

/** The sandbox runner on real NATS and PostgreSQL; identity and policy are stand-ins that write the same events. */
export class Installation implements AsyncDisposable {
  private service: RunningService | undefined;
  private readonly channels: GrpcChannel[] = [];

  private constructor(
    private readonly parts: Parts,
    private readonly env: Record<string, string>,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<Installation> {
    const backends = await startBackends();
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    const policy = await ledger.host({ service: 'policy', partitions: 1, model: aggregates([policySet]) });
    await policy.ready;
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-runner-'));
    const installation = new Installation({ backends, ledger, policy, identity, folder }, env);
    await installation.allow('permit(principal, action, resource);');
    await installation.restart();
    return installation;
  }

  get identity(): TestIdentity {
    return this.parts.identity;
  }
  get folder(): string {
    return this.parts.folder;
  }
  get url(): string {
    return this.service?.httpUrl ?? '';
  }
  /** What the service is started with. */
  get environment(): Record<string, string> {
    const { backends, identity, folder } = this.parts;
    return {
      WRIT_NATS_URL: backends.nats.url,
      WRIT_POSTGRES_URL: backends.postgresUrl,
      WRIT_ISSUER: identity.issuer,
      WRIT_DATA: path.join(folder, 'data'),
      WRIT_LOG_LEVEL: process.env['WRIT_TEST_LOG'] ?? 'silent',
      WRIT_SANDBOX_READY: '1',
      WRIT_GRACE_MS: '500',
      ...this.env,
    };
  }

  /** Stops the service if it runs, and starts it on the same data. */
  async restart(): Promise<void> {
    await this.stop();
    this.service = await start(this.environment);
    await eventually(() => this.sandboxes().then((client) => client.listSandboxes({})), { what: 'calls are let in' });
  }

  async stop(): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    await this.service?.stop();
    this.service = undefined;
  }

  /** Another policy for `tnt_1`. */
  async allow(text: string): Promise<void> {
    const command = { type: 'push', version: newId('v'), text } as { type: string };
    const actor = { principal: 'psn_1', kind: 'person' } as const;
    await this.parts.ledger
      .commands('policy')
      .send({ tenant: 'tnt_1', aggregate: 'policy_set', subject: 'tnt_1', command, actor });
  }

  /** A client with a token of its own; by default of the agent `agt_1`, good for everything. */
  async sandboxes(claims: TestClaims = {}, url?: string): Promise<GrpcClient<typeof SandboxService>> {
    return clientOf(SandboxService, await this.channel(claims, url));
  }
  async artifacts(claims: TestClaims = {}): Promise<GrpcClient<typeof ArtifactService>> {
    return clientOf(ArtifactService, await this.channel(claims));
  }

  /** Runs a command to its end. */
  async run(
    client: GrpcClient<typeof SandboxService>,
    id: string,
    argv: string[],
    effectId = newId('act'),
  ): Promise<Ran> {
    const output = { stdout: '', stderr: '' };
    let end = { exitCode: -1, reason: '' };
    for await (const { frame } of client.exec({ id, argv, effectId })) {
      if (frame.case === 'stdout' || frame.case === 'stderr') output[frame.case] += Buffer.from(frame.value).toString();
      else if (frame.case === 'end') end = frame.value;
    }
    return { ...output, exitCode: end.exitCode, reason: end.reason };
  }

  /** Everything in the runner's ledger, without the ledger's own. */
  async events(subject?: string): Promise<LedgerEvent[]> {
    const all: LedgerEvent[] = [];
    for await (const { events } of this.parts.ledger.read('sandbox-runner', 0)) all.push(...events);
    return all.filter((event) =>
      subject === undefined ? !event.type.startsWith('partition.') : event.subject === subject,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const { backends, ledger, policy, identity, folder } = this.parts;
    await identity.stop();
    await policy.stop();
    await ledger.drain();
    await backends.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }

  private async channel(claims: TestClaims, url = this.service?.grpcUrl ?? ''): Promise<GrpcChannel> {
    const token = await this.identity.token(claims);
    const channel = new GrpcChannel(url, { metadata: () => ({ authorization: `Bearer ${token}` }) });
    this.channels.push(channel);
    return channel;
  }
}
