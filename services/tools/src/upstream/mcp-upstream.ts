import { Client, type Transport } from '@modelcontextprotocol/client';
import { digestOf } from '@writ/enforcement';
import type { Json } from '@writ/ledger/domain';
import type { ToolDefinition } from '../server/server.events.js';
import type { ToolResult, Upstream } from './upstream.js';

const CONNECT_TIMEOUT_MS = 30_000;
const CALL_TIMEOUT_MS = 120_000;

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
    const client = new Client({ name: 'writ', version: '1' }, { capabilities: {} });
    const { promise, resolve } = Promise.withResolvers<void>();
    client.onclose = resolve;
    client.setNotificationHandler('notifications/tools/list_changed', onListChanged);
    await client.connect(transport, { timeout: CONNECT_TIMEOUT_MS });
    return new McpUpstream(client, promise);
  }

  async list(): Promise<ToolDefinition[]> {
    const tools: McpTool[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.client.listTools(cursor === undefined ? {} : { cursor });
      tools.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return tools.map(definitionOf);
  }

  async call(tool: string, input: { [key: string]: Json }, signal: AbortSignal): Promise<ToolResult> {
    const result = await this.client.callTool({ name: tool, arguments: input }, { signal, timeout: CALL_TIMEOUT_MS });
    return {
      content: result.content as unknown as ToolResult['content'],
      ...(result.structuredContent !== undefined && { structuredContent: result.structuredContent as Json }),
      isError: result.isError === true,
    };
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/** What is pinned: everything of a definition that an agent or a policy sees. */
function definitionOf({ name, title, description, inputSchema, outputSchema, annotations }: McpTool): ToolDefinition {
  const definition = JSON.parse(
    JSON.stringify({ name, title, description: description ?? '', inputSchema, outputSchema, annotations }),
  ) as Omit<ToolDefinition, 'hash'>;
  return { ...definition, hash: digestOf(definition as unknown as Json) };
}
