import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  type McpSubscription,
  type Transport,
} from '@modelcontextprotocol/client';
import { digestOf } from '@writ/enforcement';
import { DomainError, refuse, type Json } from '@writ/ledger/domain';
import type { ToolDefinition } from '../server/server.events.js';
import { NoAnswer, type ToolResult, type Upstream } from './upstream.js';

const CONNECT_TIMEOUT_MS = 30_000;
/** How long a server may think about which era of the protocol it speaks. */
const PROBE_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 120_000;
/** Before a lost stream of announcements is opened again: a server may end it each time at once. */
const LISTEN_PAUSE_MS = 1_000;

type McpTool = Awaited<ReturnType<Client['listTools']>>['tools'][number];

/** An MCP server behind any transport, in either era of the protocol. */
export class McpUpstream implements Upstream {
  readonly closed: Promise<void>;

  private constructor(
    private readonly client: Client,
    onClosed: Promise<void>,
  ) {
    this.closed = onClosed;
  }

  /** Connects and negotiates. @param onListChanged the server says that its tools are others now */
  static async connect(transport: Transport, onListChanged: () => void): Promise<McpUpstream> {
    const client = new Client(
      { name: 'writ', version: '1' },
      {
        capabilities: {},
        versionNegotiation: { mode: 'auto', probe: { timeoutMs: PROBE_TIMEOUT_MS } },
        listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: onListChanged } },
      },
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    client.onclose = resolve;
    try {
      await client.connect(transport, { timeout: CONNECT_TIMEOUT_MS });
    } catch (error) {
      await client.close().catch(() => undefined);
      throw error;
    }
    const upstream = new McpUpstream(client, promise);
    upstream.keepListening(client.autoOpenedSubscription, onListChanged);
    return upstream;
  }

  async list(): Promise<ToolDefinition[]> {
    const { tools } = await this.client.listTools(undefined, { cacheMode: 'refresh' });
    return tools.map(definitionOf);
  }

  async call(tool: string, input: { [key: string]: Json }, signal: AbortSignal): Promise<ToolResult> {
    try {
      const result = await this.client.callTool({ name: tool, arguments: input }, { signal, timeout: CALL_TIMEOUT_MS });
      return {
        content: result.content as unknown as ToolResult['content'],
        ...(result.structuredContent !== undefined && { structuredContent: result.structuredContent as Json }),
        isError: result.isError === true,
      };
    } catch (problem) {
      signal.throwIfAborted();
      // A server that forgot the session, or is gone, is met anew at the next call.
      if (problem instanceof SdkHttpError || isNetwork(problem)) void this.close();
      throw meaningOf(problem, tool);
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }

  /** From 2026-07-28 on announcements come over a stream of their own; what was announced while it was lost is looked up. */
  private keepListening(subscription: McpSubscription | undefined, onListChanged: () => void): void {
    void subscription?.closed.then(async (how) => {
      if (how === 'local' || this.client.transport === undefined) return;
      await sleep(LISTEN_PAUSE_MS, undefined, { ref: false });
      try {
        this.keepListening(await this.client.listen({ toolsListChanged: true }), onListChanged);
        onListChanged();
      } catch {
        await this.close(); // the next call meets it anew
      }
    });
  }
}

const unsent: ReadonlySet<string> = new Set([
  SdkErrorCode.NotConnected,
  SdkErrorCode.CapabilityNotSupported,
  SdkErrorCode.MethodNotSupportedByProtocolVersion,
]);

/** An answer that refuses is known not to have done it; silence is not. */
function meaningOf(problem: unknown, tool: string): Error {
  if (problem instanceof DomainError) return problem; // it was not let out
  const said = (problem instanceof Error ? problem.message : String(problem)).slice(0, 500);
  return wasRefused(problem)
    ? refuse('tools.upstream_failed', `${tool}: ${said}`)
    : new NoAnswer(`${tool} was called and did not answer: ${said}`, { cause: problem });
}

function wasRefused(problem: unknown): boolean {
  if (problem instanceof ProtocolError) return true;
  if (problem instanceof SdkHttpError) return (problem.status ?? 500) < 500;
  if (problem instanceof SdkError) return unsent.has(problem.code);
  return isNetwork(problem) && ['ECONNREFUSED', 'ENOTFOUND'].includes(causeOf(problem));
}

/** `fetch` tells every failure of the network as a TypeError with the reason inside. */
function isNetwork(problem: unknown): problem is TypeError {
  return problem instanceof TypeError && problem.cause !== undefined;
}

function causeOf({ cause }: Error): string {
  return String((cause as { code?: unknown } | undefined)?.code ?? '');
}

/** What is pinned: everything of a definition that an agent or a policy sees. */
function definitionOf({ name, title, description, inputSchema, outputSchema, annotations }: McpTool): ToolDefinition {
  const definition = JSON.parse(
    JSON.stringify({ name, title, description: description ?? '', inputSchema, outputSchema, annotations }),
  ) as Omit<ToolDefinition, 'hash'>;
  return { ...definition, hash: digestOf(definition as unknown as Json) };
}
