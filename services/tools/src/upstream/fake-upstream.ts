import { digestOf } from '@writ/enforcement';
import { refuse, type Json } from '@writ/ledger/domain';
import type { ToolDefinition } from '../server/server.events.js';
import { NoAnswer, type Address, type Connect, type Exchange, type ToolResult, type Upstream } from './upstream.js';

/** What a tool of the fake does; a throw is an error that the tool reports itself. */
export type FakeTool = (input: { [key: string]: Json }) => string | Promise<string>;

interface Offered {
  readonly description: string;
  readonly run: FakeTool;
}

/** An MCP server without MCP: stands for any server in tests, and counts what reaches it. */
export class FakeServer {
  readonly calls: { tool: string; input: { [key: string]: Json } }[] = [];
  /** How often somebody connected. */
  connected = 0;
  /** The next connections fail with it. */
  down: Error | undefined;
  private readonly tools = new Map<string, Offered>();
  private readonly open = new Set<{ changed: () => void; end: () => void }>();

  /** Offers a tool, in the place of the one of this name. */
  offer(name: string, run: FakeTool, description = name): this {
    this.exchange(name, run, description);
    for (const { changed } of this.open) changed();
    return this;
  }

  /** The same without a word. */
  exchange(name: string, run: FakeTool, description = name): void {
    this.tools.set(name, { description, run });
  }

  /** Ends every connection, as a server that dies. */
  die(): void {
    for (const { end } of this.open) end();
  }

  readonly connect: Connect = async (_address: Address, announce) => {
    this.connected++;
    if (this.down !== undefined) throw this.down;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const connection = {
      changed: () => announce({ what: 'tools' }),
      end: () => {
        this.open.delete(connection);
        resolve();
      },
    };
    this.open.add(connection);
    const upstream: Upstream = {
      closed,
      capabilities: { tools: {} },
      list: async () => [...this.tools].map(([name, { description }]) => definitionOf(name, description)),
      call: (tool, input, exchange) => this.call(tool, input, exchange, closed),
      ask: ({ method }) => Promise.reject(refuse('tools.upstream_failed', `${method}: there is no such method`)),
      watch: (uri) => Promise.reject(refuse('tools.upstream_failed', `${uri}: it cannot be watched`)),
      close: async () => connection.end(),
    };
    return upstream;
  };

  private async call(
    tool: string,
    input: { [key: string]: Json },
    { signal }: Exchange,
    closed: Promise<void>,
  ): Promise<ToolResult> {
    signal.throwIfAborted();
    const offered = this.tools.get(tool);
    if (offered === undefined) throw refuse('tools.upstream_failed', `${tool}: there is no such tool`);
    this.calls.push({ tool, input });
    const gone = closed.then(() => Promise.reject(new NoAnswer(`${tool} was called and did not answer`)));
    const aborted = new Promise<never>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    );
    try {
      const text = await Promise.race([Promise.resolve().then(() => offered.run(input)), gone, aborted]);
      return { content: [{ type: 'text', text }], isError: false };
    } catch (error) {
      if (error instanceof NoAnswer || signal.aborted) throw error;
      return { content: [{ type: 'text', text: (error as Error).message }], isError: true };
    }
  }
}

function definitionOf(name: string, description: string): ToolDefinition {
  const definition = { name, description, inputSchema: { type: 'object' } };
  return { ...definition, hash: digestOf(definition) };
}
