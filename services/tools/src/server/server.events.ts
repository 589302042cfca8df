import type { Json } from '@writ/ledger/domain';

/** A folder inside the sandbox of a stdio server; see `writ.sandbox.v1.Mount`. */
export interface Mount {
  source: string;
  target: string;
  writable: boolean;
}

/** What a server may ask of the clients of its callers, as MCP's `ClientCapabilities` has it. */
export type MayAsk = 'elicitation' | 'sampling' | 'roots';

/** How a server is reached. Without `mayAsk` it may ask nothing. Values of `env` are sealed. */
export type ServerSpec =
  | { kind: 'stdio'; argv: string[]; env: Record<string, string>; mounts: Mount[]; mayAsk?: MayAsk[] }
  | { kind: 'http'; url: string; mayAsk?: MayAsk[] }
  /** Tools whose code runs in the tenant's own workers. */
  | { kind: 'worker' };

/** A tool's definition as its server gave it. */
export interface ToolDefinition {
  name: string;
  title?: string;
  description: string;
  inputSchema: { [key: string]: Json };
  outputSchema?: { [key: string]: Json };
  annotations?: { [key: string]: Json };
  /** SHA-256 over the RFC 8785 form of all the above: `sha256:…`. */
  hash: string;
}

export type ServerEvent =
  | { type: 'server.added.v1'; data: { spec: ServerSpec } }
  /** `tools`: those that were approved, whose types are of no use any more. */
  | { type: 'server.removed.v1'; data: { tools?: string[] } }
  /** Seen for the first time, or seen with another hash: in quarantine until it is approved. */
  | { type: 'tool.discovered.v1'; data: { definition: ToolDefinition } }
  | { type: 'tool.vanished.v1'; data: { tool: string } }
  | { type: 'tool.approved.v1'; data: { definition: ToolDefinition; by: string } };
