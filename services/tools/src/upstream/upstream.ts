import type { Json } from '@writ/ledger/domain';
import type { ServerSpec, ToolDefinition } from '../server/server.events.js';

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
  /**
   * A tool that reports an error answers with `isError`.
   *
   * @throws DomainError `tools.upstream_failed` where the server refused the call
   * @throws NoAnswer where the call was sent and nothing is known of it
   */
  call(tool: string, input: { [key: string]: Json }, signal: AbortSignal): Promise<ToolResult>;
  close(): Promise<void>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
}

/** The call was sent and its answer did not come: it may have happened. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** A server that is to be connected. */
export interface Address {
  readonly tenant: string;
  readonly server: string;
  readonly spec: Exclude<ServerSpec, { kind: 'worker' }>;
}

/** Connects. @param onListChanged the server says that its tools are others now */
export type Connect = (address: Address, onListChanged: () => void) => Promise<Upstream>;
