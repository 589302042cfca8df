import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '@modelcontextprotocol/client';
import { clientOf, type GrpcClient } from '@writ/api';
import type { Logger } from '@writ/ledger';
import { DomainError, newId, refuse } from '@writ/ledger/domain';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import type { Runners } from './runners.js';
import { SandboxTransport } from './sandbox-transport.js';
import type { ServiceToken } from './service-token.js';
import type { Address } from './upstream.js';

/** The longest that a sandbox may live; the next call starts another. */
const KEEP_SECONDS = 86_400n;
const CREATE_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const BUSY_TRIES = 10;
const BUSY_PAUSE_MS = 200;

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
    private readonly token: Pick<ServiceToken, 'clientId' | 'metadata'> | undefined,
    private readonly log?: Logger,
  ) {}

  /** @throws DomainError `tools.upstream_failed`, and what the runner refuses */
  async start(address: StdioAddress): Promise<Started> {
    let problem: unknown = refuse(
      'tools.upstream_failed',
      'no sandbox runner is up; a server over stdio runs in a sandbox',
    );
    for (const channel of await this.runners.inTurn())
      try {
        return await this.startIn(clientOf(SandboxService, channel), address);
      } catch (error) {
        problem = error;
        if (!(error instanceof DomainError) || error.code !== 'service.unavailable') break;
      }
    throw problem;
  }

  private async startIn(
    sandboxes: GrpcClient<typeof SandboxService>,
    { tenant, server, spec }: StdioAddress,
  ): Promise<Started> {
    const { token } = this;
    if (token === undefined)
      throw refuse(
        'tools.upstream_failed',
        'the gateway has no key of its own (WRIT_SERVICE_KEY) to make sandboxes with',
      );
    const metadata = () => token.metadata(tenant);
    const id = await this.create(sandboxes, `mcp-${server}`, spec.mounts, metadata);
    const transport = new SandboxTransport(sandboxes, { sandbox: id, argv: spec.argv, env: spec.env }, metadata);
    return {
      transport,
      complaint: () => transport.complaint,
      release: () => this.stop(sandboxes, id, metadata),
    };
  }

  /** The view in which leftovers are found may be a moment behind; until it is not, they keep their volume. */
  private async create(
    sandboxes: GrpcClient<typeof SandboxService>,
    name: string,
    mounts: StdioAddress['spec']['mounts'],
    metadata: () => Promise<Record<string, string>>,
  ): Promise<string> {
    for (let tries = 1; ; tries++)
      try {
        await this.stopLeftovers(sandboxes, name, metadata);
        const { sandbox } = await sandboxes.createSandbox(
          { name, keep: { seconds: KEEP_SECONDS }, mounts, effectId: newId('act') },
          { metadata: await metadata(), timeoutMs: CREATE_TIMEOUT_MS },
        );
        return sandbox?.id ?? '';
      } catch (error) {
        const busy = error instanceof DomainError && error.code === 'sandbox.volume_busy';
        if (!busy || tries === BUSY_TRIES) throw error;
        await sleep(BUSY_PAUSE_MS);
      }
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
