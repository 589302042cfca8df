import type { Json } from '@writ/ledger/domain';
import type { ServerSpec, ToolDefinition } from '../server/server.events.js';

type JsonObject = { [key: string]: Json };

/** What a server needs of the caller's client before it goes on (2026-07-28, multi-round-trip requests). */
export interface Asks {
  /** By name: `{ method: 'elicitation/create', params }`. */
  inputRequests?: { [name: string]: JsonObject };
  /** Comes back with the answers, unread. */
  requestState?: string;
}

/** What a tool answered: MCP content, passed on as it is. */
export interface ToolResult {
  content: JsonObject[];
  structuredContent?: Json;
  isError: boolean;
  /** Instead of content. */
  asks?: Asks;
  /** Set by the gateway where it is too large to hand out: its hash and size. */
  kept?: { blob: string; bytes: number };
}

/** What goes to a server beside a request, and comes back while the request is under way. */
export interface Exchange {
  readonly signal: AbortSignal;
  /** What the caller's client does for servers, as MCP's `ClientCapabilities`. Absent: nothing. */
  readonly client?: JsonObject;
  /** The least severe log messages that are wanted. Absent: none. */
  readonly logLevel?: string;
  /** What the client answered to {@link Asks}. */
  readonly inputResponses?: JsonObject;
  readonly requestState?: string;
  readonly onProgress?: (progress: { progress: number; total?: number; message?: string }) => void;
  readonly onLog?: (log: { level: string; logger?: string; data: Json }) => void;
}

/** A request beside calls of tools: prompts, resources, completions. */
export interface UpstreamRequest {
  readonly method: string;
  readonly params: JsonObject;
}

/** A connection to one MCP server. */
export interface Upstream {
  /** MCP's `ServerCapabilities`. */
  readonly capabilities: JsonObject;
  /** All that the server says it has, each with the hash of its definition. */
  list(): Promise<ToolDefinition[]>;
  /**
   * A tool that reports an error answers with `isError`.
   *
   * @throws DomainError `tools.upstream_failed` where the server refused the call
   * @throws NoAnswer where the call was sent and nothing is known of it
   */
  call(tool: string, input: JsonObject, exchange: Exchange): Promise<ToolResult>;
  /** What is not a call of a tool. Throws like {@link call}. */
  ask(request: UpstreamRequest, exchange: Exchange): Promise<JsonObject>;
  /** Announces each update of a resource until it is disposed of. @throws DomainError `tools.upstream_failed` */
  watch(uri: string): Promise<AsyncDisposable>;
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

/** What a server says of itself without being asked. */
export interface Announced {
  readonly what: 'tools' | 'prompts' | 'resources' | 'resource';
  /** Of the one that was updated. */
  readonly uri?: string;
}

/** Connects. @param onAnnounced what the server has is other now */
export type Connect = (address: Address, onAnnounced: (announced: Announced) => void) => Promise<Upstream>;
