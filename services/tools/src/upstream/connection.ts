import type { Logger } from '@writ/ledger';
import { refuse, type Json } from '@writ/ledger/domain';
import type { Discover } from './connections.js';
import type { Address, Announced, Connect, Exchange, ToolResult, Upstream, UpstreamRequest } from './upstream.js';

/** Who is told what a connection sees. */
export interface Ears {
  readonly discover: Discover;
  readonly announced: (address: Address, announced: Announced) => void;
  readonly log?: Logger;
  /** Milliseconds for which a server is believed that says nothing of a change. Default 5,000. */
  readonly believedMs?: number;
}

const BELIEVED_MS = 5_000;

/**
 * A connection and what its server offered over it. Only what this very connection offered is called: a server that was
 * exchanged behind the address is seen before the first call reaches it.
 */
export class Connection {
  private offers: ReadonlyMap<string, string> = new Map();
  private lookedMs = 0;
  private refreshing: Promise<void> | undefined;
  private stale = false;
  /** The server itself announced a change that was not told yet. */
  private said = false;
  /** Why nobody knows any more what is offered over it. */
  private lost: string | undefined;
  private running = 0;
  private readonly watches = new Map<string, { count: number; readonly stream: Promise<AsyncDisposable> }>();

  private constructor(
    private readonly address: Address,
    private readonly upstream: Upstream,
    private readonly ears: Ears,
  ) {}

  /** Connects and tells the ledger what is offered. */
  static async open(
    address: Address,
    connect: Connect,
    ears: Ears,
  ): Promise<{ connection: Connection; offered: number }> {
    // What is announced before the first look counts after it.
    const told: { connection?: Connection; early?: true } = {};
    const upstream = await connect(address, (news) => {
      if (news.what !== 'tools') ears.announced(address, news);
      else if (told.connection === undefined) told.early = true;
      else {
        told.connection.said = true;
        void told.connection.refresh();
      }
    });
    const connection = new Connection(address, upstream, ears);
    try {
      await connection.look();
    } catch (error) {
      await upstream.close().catch(() => undefined);
      throw error;
    }
    told.connection = connection;
    if (told.early) void connection.refresh();
    return { connection, offered: connection.offers.size };
  }

  get closed(): Promise<void> {
    return this.upstream.closed;
  }

  /** Calls under way. */
  get calls(): number {
    return this.running;
  }

  /**
   * Calls a tool if it is still what was approved.
   *
   * @param hash of the approved definition
   * @throws DomainError `tools.definition_changed`, `tools.upstream_failed`; NoAnswer
   */
  async call(tool: string, hash: string, input: { [key: string]: Json }, exchange: Exchange): Promise<ToolResult> {
    await this.refreshing;
    // Not every server announces what it changed, and another replica may have seen it first.
    const { believedMs = BELIEVED_MS } = this.ears;
    if (this.offers.get(tool) !== hash || performance.now() - this.lookedMs > believedMs) await this.refresh();
    if (this.lost !== undefined)
      throw refuse('tools.upstream_failed', `${this.address.server} did not say what it offers: ${this.lost}`);
    const offered = this.offers.get(tool);
    if (offered !== hash) {
      const now = offered === undefined ? 'is not offered any more' : `is now ${offered}`;
      throw refuse('tools.definition_changed', `${this.address.server}/${tool} ${now}; ${hash} was approved`);
    }
    return this.counted(() => this.upstream.call(tool, input, exchange));
  }

  /** Prompts, resources and completions; what the server has of them is not pinned. */
  ask(request: UpstreamRequest, exchange: Exchange): Promise<{ [key: string]: Json }> {
    return this.counted(() => this.upstream.ask(request, exchange));
  }

  get capabilities(): { [key: string]: Json } {
    return this.upstream.capabilities;
  }

  /** However many watch a resource, the server is told once. */
  async watch(uri: string): Promise<AsyncDisposable> {
    const watch = this.watches.get(uri) ?? { count: 0, stream: this.upstream.watch(uri) };
    this.watches.set(uri, watch);
    watch.count++;
    const leave = async (): Promise<void> => {
      if (--watch.count > 0) return;
      this.watches.delete(uri);
      await (await watch.stream)[Symbol.asyncDispose]();
    };
    try {
      await watch.stream;
    } catch (error) {
      await leave().catch(() => undefined);
      throw error;
    }
    return { [Symbol.asyncDispose]: leave };
  }

  close(): Promise<void> {
    return this.upstream.close();
  }

  /** At most one look at a time, and one more for all that was announced meanwhile. */
  private refresh(): Promise<void> {
    if (this.refreshing !== undefined) this.stale = true;
    return (this.refreshing ??= this.lookUntilSettled().finally(() => (this.refreshing = undefined)));
  }

  private async lookUntilSettled(): Promise<void> {
    const before = this.offers;
    try {
      do {
        this.stale = false;
        await this.look();
      } while (this.stale);
      // What it says is passed on, also where nothing that is pinned changed.
      if (this.said || !sameOffers(before, this.offers)) this.ears.announced(this.address, { what: 'tools' });
      this.said = false;
    } catch (error) {
      // What it offers is unknown now; the next call meets it anew.
      this.offers = new Map();
      this.lost = error instanceof Error ? error.message : String(error);
      const { tenant, server } = this.address;
      this.ears.log?.warn({ err: error, tenant, server }, 'an MCP server changed its tools and would not tell them');
      await this.upstream.close();
    }
  }

  private async counted<T>(work: () => Promise<T>): Promise<T> {
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
    }
  }

  private async look(): Promise<void> {
    const lookedMs = performance.now();
    const tools = await this.upstream.list();
    this.lookedMs = lookedMs;
    this.offers = new Map(tools.map(({ name, hash }) => [name, hash]));
    await this.ears.discover(this.address, tools);
  }
}

function sameOffers(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, hash]) => other.get(name) === hash);
}
