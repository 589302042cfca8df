import type { Logger } from '@writ/ledger';
import { DomainError, refuse, type Json } from '@writ/ledger/domain';
import { canonicalJson } from '@writ/enforcement';
import type { ToolDefinition } from '../server/server.events.js';
import { Connection } from './connection.js';
import type { Address, Announced, Connect } from './upstream.js';

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/** A connection that nobody used for so long is closed; the next call opens another. */
const IDLE_MS = 30 * 60_000;
const SWEEP_MS = 60_000;

/** `idle`: nobody needed it so far, or it ended. */
export type ConnectionState =
  { state: 'idle' | 'connecting' | 'connected'; error?: undefined } | { state: 'failed'; error: string };

/** Tells the ledger what a server offers now. */
export type Discover = (address: Address, tools: readonly ToolDefinition[]) => Promise<void>;

interface Entry {
  readonly spec: string;
  /** Settles when it is connected and what it offers is in the ledger. */
  readonly opening: Promise<Connection>;
  connection?: Connection;
  usedMs: number;
}

interface Failure {
  readonly error: string;
  readonly times: number;
  readonly againMs: number;
}

/** One connection for each server of each tenant, made when it is first needed and shared by everybody. */
export class Connections {
  private readonly entries = new Map<string, Entry>();
  private readonly failures = new Map<string, Failure>();
  private readonly sweeper: NodeJS.Timeout;
  private stopped = false;

  constructor(
    private readonly connect: Connect,
    private readonly discover: Discover,
    private readonly log?: Logger,
    private readonly announced: (address: Address, announced: Announced) => void = () => undefined,
  ) {
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /**
   * The connection to a server. A server that failed is left alone for a while, which `now` overrules.
   *
   * @throws DomainError `tools.upstream_failed`, `tools.host_refused`, `tools.duplicate_name`, `auth.revocation_unknown`, `ledger.*`, `outbound.*`
   */
  async get(address: Address, options: { now?: boolean } = {}): Promise<Connection> {
    if (this.stopped) throw refuse('tools.upstream_failed', 'this process is shutting down');
    const key = keyOf(address);
    // PostgreSQL gives members in another order than whoever added the server.
    const spec = canonicalJson(address.spec as unknown as Json);
    const before = this.entries.get(key);
    if (before?.spec === spec) {
      before.usedMs = performance.now();
      return before.opening;
    }
    const failed = this.failures.get(key);
    if (failed !== undefined && !options.now && failed.againMs > performance.now())
      throw refuse('tools.upstream_failed', `${failed.error}; it is tried again after a pause`, {
        server: address.server,
      });
    if (before !== undefined) void this.close(address); // removed and added again in another way
    const entry: Entry = { spec, opening: this.open(address), usedMs: performance.now() };
    this.entries.set(key, entry);
    void entry.opening.then(
      (connection) => {
        entry.connection = connection;
        this.failures.delete(key);
        void connection.closed.then(() => this.forget(key, entry));
      },
      (error: unknown) => {
        this.forget(key, entry);
        if (!isOfIdentity(error)) this.failed(key, error);
      },
    );
    return entry.opening;
  }

  stateOf(address: Pick<Address, 'tenant' | 'server'>): ConnectionState {
    const entry = this.entries.get(keyOf(address));
    if (entry !== undefined) return { state: entry.connection === undefined ? 'connecting' : 'connected' };
    const failed = this.failures.get(keyOf(address));
    return failed === undefined ? { state: 'idle' } : { state: 'failed', error: failed.error };
  }

  /** Ends the connection; the server is not thought of as failed. */
  async close(address: Pick<Address, 'tenant' | 'server'>): Promise<void> {
    const key = keyOf(address);
    const entry = this.entries.get(key);
    this.entries.delete(key);
    this.failures.delete(key);
    if (entry === undefined) return;
    const connection = await entry.opening.catch(() => undefined);
    await connection?.close();
  }

  /** Ends all of them, and opens no more. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.sweeper);
    const entries = [...this.entries.values()];
    this.entries.clear();
    await Promise.all(entries.map(async ({ opening }) => (await opening.catch(() => undefined))?.close()));
  }

  private async open(address: Address): Promise<Connection> {
    try {
      const { connection, offered } = await Connection.open(address, this.connect, {
        discover: this.discover,
        announced: this.announced,
        ...(this.log && { log: this.log }),
      });
      this.log?.info({ tenant: address.tenant, server: address.server, tools: offered }, 'an MCP server is connected');
      return connection;
    } catch (error) {
      if (isOfIdentity(error) || (error instanceof DomainError && /^(?:tools|ledger|outbound)\./.test(error.code)))
        throw error;
      const said = error instanceof Error ? error.message : String(error);
      throw refuse('tools.upstream_failed', `${address.server} cannot be reached: ${said.slice(0, 500)}`, {
        server: address.server,
      });
    }
  }

  private failed(key: string, error: unknown): void {
    const times = (this.failures.get(key)?.times ?? 0) + 1;
    const pauseMs = Math.min(FIRST_BACKOFF_MS * 2 ** (times - 1), MAX_BACKOFF_MS);
    this.failures.set(key, { error: (error as Error).message, times, againMs: performance.now() + pauseMs });
  }

  private forget(key: string, entry: Entry): void {
    if (this.entries.get(key) === entry) this.entries.delete(key);
  }

  private sweep(): void {
    const since = performance.now() - IDLE_MS;
    for (const [key, entry] of this.entries)
      if (entry.connection !== undefined && entry.usedMs < since && entry.connection.calls === 0) {
        this.entries.delete(key);
        void entry.connection.close().catch(() => undefined);
      }
  }
}

function keyOf({ tenant, server }: Pick<Address, 'tenant' | 'server'>): string {
  return `${tenant}\n${server}`;
}

/** Where nobody is trusted for a moment, that says nothing of the server. */
function isOfIdentity(error: unknown): boolean {
  return error instanceof DomainError && error.code === 'auth.revocation_unknown';
}
