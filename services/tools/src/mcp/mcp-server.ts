import { Server } from '@modelcontextprotocol/server';
import type { ServerReads } from '../call/server-reads.js';
import type { ToolCalls } from '../call/tool-calls.js';
import type { ToolQueries } from '../server/server.view.js';
import type { CarriedStates } from './carried-state.js';
import { serveReads } from './read-handlers.js';
import { serveTools } from './tool-handlers.js';
import type { WaitingCalls } from './waiting-calls.js';

/** What a request over MCP reaches. */
export interface McpDoorParts {
  readonly calls: Pick<ToolCalls, 'call' | 'known'>;
  readonly reads: Pick<ServerReads, 'capabilities' | 'list' | 'read' | 'watch'>;
  readonly tools: Pick<ToolQueries, 'tools'>;
  readonly waiting: WaitingCalls;
  readonly states: CarriedStates;
}

/** What a client is connected to: the tools of all servers (`/mcp`), or one server and all that it has (`/mcp/<server>`). */
export interface Face {
  readonly tenant: string;
  readonly server?: string;
  /** A session of 2025-11-25, which can keep what a client subscribed to. */
  readonly session: boolean;
}

/** What one caller may see is nobody else's, and it ends with their authority. */
const mine = { ttlMs: 0, cacheScope: 'private' } as const;

/** The MCP server of one request, or of one session; in either the caller is that of each request. */
export async function mcpServer(parts: McpDoorParts, face: Face): Promise<Server> {
  const has = face.server === undefined ? {} : await parts.reads.capabilities(face.tenant, face.server);
  const server = new Server(
    { name: 'writ', title: 'Writ tools', version: '1' },
    {
      capabilities: {
        tools: { listChanged: true },
        logging: {},
        ...(has['prompts'] !== undefined && { prompts: { listChanged: true } }),
        ...(has['resources'] !== undefined && { resources: { listChanged: true, subscribe: face.session } }),
        ...(has['completions'] !== undefined && { completions: {} }),
      },
      cacheHints: {
        'tools/list': mine,
        'prompts/list': mine,
        'resources/list': mine,
        'resources/templates/list': mine,
        'resources/read': mine,
      },
      requestState: { verify: parts.states.verify },
    },
  );
  serveTools(server, parts, face);
  if (face.server !== undefined) serveReads(server, parts, { ...face, server: face.server }, has);
  return server;
}
