import type { Json } from '@writ/ledger/domain';
import type { ToolDefinition } from '../server/server.events.js';

/** What a tool answered: MCP content, passed on as it is. */
export interface ToolResult {
  content: { [key: string]: Json }[];
  structuredContent?: Json;
  isError: boolean;
}

/** A connection to one MCP server. */
export interface Upstream {
  /** All that the server says it has, each with the hash of its definition. */
  list(): Promise<ToolDefinition[]>;
  /** @throws Error where the server did not answer; a tool that reports an error answers with `isError`. */
  call(tool: string, input: { [key: string]: Json }, signal: AbortSignal): Promise<ToolResult>;
  close(): Promise<void>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
}
