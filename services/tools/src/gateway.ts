import type { ToolCalls } from './call/tool-calls.js';
import type { ServerReads } from './call/server-reads.js';
import type { Announcements } from './mcp/announcements.js';
import type { Servers } from './server/servers.js';
import type { ToolQueries } from './server/server.view.js';
import type { SealedEnv } from './upstream/sealed-env.js';
import type { Connections } from './upstream/connections.js';

/** What the tool gateway consists of; both its doors, the API and MCP, stand on it. */
export abstract class Gateway {
  abstract readonly servers: Servers;
  abstract readonly tools: ToolQueries;
  abstract readonly connections: Connections;
  abstract readonly calls: ToolCalls;
  abstract readonly reads: ServerReads;
  abstract readonly announcements: Announcements;
  abstract readonly env: SealedEnv;
}
