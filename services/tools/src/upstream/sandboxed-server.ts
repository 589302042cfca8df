import type { Transport } from '@modelcontextprotocol/client';
import { clientOf, type GrpcClient } from '@writ/api';
import type { Logger } from '@writ/ledger';
import { newId, refuse } from '@writ/ledger/domain';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import type { Runners } from './runners.js';
import { SandboxTransport } from './sandbox-transport.js';
import type { ServiceToken } from './service-token.js';
import type { Address } from './upstream.js';

/** The longest that a sandbox may live; the next call starts another. */
const KEEP_SECONDS = 86_400n;
const CREATE_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/** A server over stdio. */
export type StdioAddress = Address & { spec: { kind: 'stdio' } };

/** A transport to a process, and what must be freed when it has ended. */
export interface Started {
  readonly transport: Transport;
  /** Why the process ended, as far as it said so. */
  readonly complaint: () => string;
  release(): Promise<void>;
}

/** Starts servers that speak over stdio. */
export interface StdioServers {
  start(address: StdioAddress): Promise<Started>;
}

/** Each server in a sandbox of its own, which the tool gateway makes under its own name, not under that of a caller. */
export class SandboxedServers implements StdioServers {
  constructor(
    private readonly runners: Runners,
    private readonly token: ServiceToken | undefined,
    private readonly log?: Logger,
  ) {}

  async start({ tenant, server, spec }: StdioAddress): Promise<Started> {
    const { token } = this;
    if (token === undefined)
      throw refuse(
        'tools.upstream_failed',
        'the tool gateway has no key of its own (WRIT_SERVICE_KEY) to make sandboxes',
      );
    const sandboxes = clientOf(SandboxService, await this.runners.any());
    const metadata = () => token.metadata(tenant);
    const name = `mcp-${server}`;
    await this.stopLeftovers(sandboxes, name, metadata);
    const { sandbox } = await sandboxes.createSandbox(
      { name, keep: { seconds: KEEP_SECONDS }, mounts: spec.mounts, effectId: newId('act') },
      { metadata: await metadata(), timeoutMs: CREATE_TIMEOUT_MS },
    );
    const id = sandbox?.id ?? '';
    const transport = new SandboxTransport(sandboxes, { sandbox: id, argv: spec.argv, env: spec.env }, metadata);
    return {
      transport,
      complaint: () => transport.complaint,
      release: () => this.stop(sandboxes, id, metadata),
    };
  }

  /** What a gateway that was killed left behind: it would hold the volume that the new one needs. */
  private async stopLeftovers(
    sandboxes: GrpcClient<typeof SandboxService>,
    name: string,
    metadata: () => Promise<Record<string, string>>,
  ): Promise<void> {
    const { sandboxes: running } = await sandboxes.listSandboxes(
      { state: 'running', pageSize: 1000 },
      { metadata: await metadata(), timeoutMs: STOP_TIMEOUT_MS },
    );
    const mine = this.token?.clientId;
    for (const { id, name: called, agent } of running)
      if (called === name && agent === mine) await this.stop(sandboxes, id, metadata);
  }

  private async stop(
    sandboxes: GrpcClient<typeof SandboxService>,
    id: string,
    metadata: () => Promise<Record<string, string>>,
  ): Promise<void> {
    try {
      await sandboxes.stopSandbox(
        { id, reason: 'the MCP server is not needed any more' },
        { metadata: await metadata(), timeoutMs: STOP_TIMEOUT_MS },
      );
    } catch (error) {
      this.log?.warn({ err: error, sandbox: id }, 'the sandbox of an MCP server could not be stopped; it expires');
    }
  }
}
