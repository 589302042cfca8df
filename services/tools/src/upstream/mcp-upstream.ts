import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  type McpSubscription,
  type RequestOptions,
  type SubscriptionFilter,
  type Transport,
} from '@modelcontextprotocol/client';
import { digestOf } from '@writ/enforcement';
import { DomainError, refuse, type Json } from '@writ/ledger/domain';
import * as z from 'zod';
import type { ToolDefinition } from '../server/server.events.js';
import {
  NoAnswer,
  type Announced,
  type Asks,
  type Exchange,
  type ToolResult,
  type Upstream,
  type UpstreamRequest,
} from './upstream.js';

const CONNECT_TIMEOUT_MS = 30_000;
/** How long a server may think about which era of the protocol it speaks. */
const PROBE_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 120_000;
/** Before a lost stream of announcements is opened again: a server may end it each time at once. */
const LISTEN_PAUSE_MS = 1_000;

type McpTool = Awaited<ReturnType<Client['listTools']>>['tools'][number];
type JsonObject = { [key: string]: Json };

/** Whatever a server answers is passed on; its client reads it. */
const anything = z.looseObject({});

/** An MCP server behind any transport, in either era of the protocol. */
export class McpUpstream implements Upstream {
  readonly closed: Promise<void>;
  /**
   * Which request a message belongs to that comes while it is answered. Over HTTP its stream is read in the context of the
   * request; what comes outside of any, as everything over stdio, may be meant for another caller and goes nowhere.
   */
  private readonly exchanges = new AsyncLocalStorage<Exchange>();

  private constructor(
    private readonly client: Client,
    private readonly announce: (announced: Announced) => void,
    onClosed: Promise<void>,
  ) {
    this.closed = onClosed;
    client.setNotificationHandler('notifications/message', ({ params }) => {
      const { level, logger, data } = params;
      this.exchanges.getStore()?.onLog?.({ level, ...(logger !== undefined && { logger }), data: data as Json });
    });
    client.setNotificationHandler('notifications/resources/updated', ({ params }) =>
      announce({ what: 'resource', uri: params.uri }),
    );
  }

  /** Connects and negotiates. @param announce what the server has is other now */
  static async connect(transport: Transport, announce: (announced: Announced) => void): Promise<McpUpstream> {
    const changed = (what: Announced['what']) => ({
      autoRefresh: false,
      debounceMs: 0,
      onChanged: () => announce({ what }),
    });
    const client = new Client(
      { name: 'writ', version: '1' },
      {
        capabilities: {},
        versionNegotiation: { mode: 'auto', probe: { timeoutMs: PROBE_TIMEOUT_MS } },
        listChanged: { tools: changed('tools'), prompts: changed('prompts'), resources: changed('resources') },
        // What a server needs is asked of the caller's client, not of the gateway.
        inputRequired: { autoFulfill: false },
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
    const upstream = new McpUpstream(client, announce, promise);
    upstream.keepListening(client.autoOpenedSubscription);
    return upstream;
  }

  get capabilities(): JsonObject {
    return (this.client.getServerCapabilities() ?? {}) as JsonObject;
  }

  async list(): Promise<ToolDefinition[]> {
    if (this.capabilities['tools'] === undefined) return [];
    const { tools } = await this.client.listTools(undefined, { cacheMode: 'refresh' });
    return tools.map(definitionOf);
  }

  async call(tool: string, input: JsonObject, exchange: Exchange): Promise<ToolResult> {
    const params = { ...this.beside(exchange), name: tool, arguments: input };
    const result = await this.reach(tool, exchange, (options) => this.client.callTool(params, options));
    const { content, structuredContent, isError } = result;
    const asks = asksOf(result);
    return {
      content: (content ?? []) as unknown as ToolResult['content'],
      ...(structuredContent !== undefined && { structuredContent: structuredContent as Json }),
      isError: isError === true,
      ...(asks !== undefined && { asks }),
    };
  }

  async ask({ method, params }: UpstreamRequest, exchange: Exchange): Promise<JsonObject> {
    const request = { method, params: { ...params, ...this.beside(exchange) } };
    return (await this.reach(method, exchange, (options) =>
      this.client.request(request, anything, options),
    )) as JsonObject;
  }

  async watch(uri: string): Promise<AsyncDisposable> {
    if (this.isModern) {
      const stream = await this.client.listen({ resourceSubscriptions: [uri] });
      return { [Symbol.asyncDispose]: () => stream.close() };
    }
    await this.client.subscribeResource({ uri });
    return { [Symbol.asyncDispose]: async () => void (await this.client.unsubscribeResource({ uri })) };
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private get isModern(): boolean {
    return this.client.getProtocolEra() === 'modern';
  }

  private async reach<T>(
    what: string,
    exchange: Exchange,
    request: (options: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const { signal, onProgress } = exchange;
    const options: RequestOptions = {
      signal,
      timeout: CALL_TIMEOUT_MS,
      allowInputRequired: true,
      ...(onProgress && { onprogress: onProgress as NonNullable<RequestOptions['onprogress']> }),
    };
    try {
      return await this.exchanges.run(exchange, () => request(options));
    } catch (problem) {
      signal.throwIfAborted();
      // A server that forgot the session, or is gone, is met anew at the next call.
      if (problem instanceof SdkHttpError || isNetwork(problem)) void this.close();
      throw meaningOf(problem, what);
    }
  }

  /** Only 2026-07-28 knows to which request all this belongs. */
  private beside({ client, logLevel, inputResponses, requestState }: Exchange): JsonObject {
    if (!this.isModern) return {};
    const meta = { [CLIENT_CAPABILITIES_META_KEY]: client ?? {}, ...(logLevel && { [LOG_LEVEL_META_KEY]: logLevel }) };
    return {
      _meta: meta,
      ...(inputResponses !== undefined && { inputResponses }),
      ...(requestState !== undefined && { requestState }),
    };
  }

  /** From 2026-07-28 on announcements come over a stream of their own; what was announced while it was lost is looked up. */
  private keepListening(subscription: McpSubscription | undefined): void {
    void subscription?.closed.then(async (how) => {
      if (how === 'local' || this.client.transport === undefined) return;
      await sleep(LISTEN_PAUSE_MS, undefined, { ref: false });
      try {
        this.keepListening(await this.client.listen(this.announcements()));
        this.announce({ what: 'tools' });
      } catch {
        await this.close(); // the next call meets it anew
      }
    });
  }

  private announcements(): SubscriptionFilter {
    const { prompts, resources } = this.client.getServerCapabilities() ?? {};
    return {
      toolsListChanged: true,
      ...(prompts?.listChanged && { promptsListChanged: true }),
      ...(resources?.listChanged && { resourcesListChanged: true }),
    };
  }
}

function asksOf(result: object): Asks | undefined {
  const { resultType, inputRequests, requestState } = result as Asks & { resultType?: string };
  if (resultType !== 'input_required') return undefined;
  return { ...(inputRequests && { inputRequests }), ...(requestState !== undefined && { requestState }) };
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
    ? refuse('tools.upstream_failed', `${tool}: ${said}`, refusalOf(problem))
    : new NoAnswer(`${tool} was called and did not answer: ${said}`, { cause: problem });
}

/** What the client of the caller may have to know of it. */
function refusalOf(problem: unknown): { rpc?: { code: number; message: string; data?: Json } } {
  if (!(problem instanceof ProtocolError)) return {};
  const { code, message, data } = problem;
  return { rpc: { code, message: message.slice(0, 500), ...(data !== undefined && { data: data as Json }) } };
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
