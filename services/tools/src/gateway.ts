import type { ToolCalls } from './call/tool-calls.js';
import type { Servers } from './server/servers.js';
import type { ToolQueries } from './server/server.view.js';
import type { Connections } from './upstream/connections.js';

/** What the tool gateway consists of; both its doors, the API and MCP, stand on it. */
export class Gateway {
  constructor(
    readonly servers: Servers,
    readonly tools: ToolQueries,
    readonly connections: Connections,
    readonly calls: ToolCalls,
  ) {}
}
