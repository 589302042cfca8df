import { actionAggregate, actionErrors, approvalErrors, type Enforcement } from '@writ/enforcement';
import type { Host } from '@writ/ledger';
import { aggregates } from '@writ/ledger/domain';
import { startService, type RunningService, type ServiceContext } from '@writ/platform';
import { ToolCalls } from './call/tool-calls.js';
import { httpServersOf, mcpUrlOf, parseConfig, type Config } from './config.js';
import { Gateway } from './gateway.js';
import { mountMcp } from './mcp/mount.js';
import { Tools0001 } from './migrations/0001-tools.js';
import { serverAggregate } from './server/server.js';
import { toolErrors } from './server/server.errors.js';
import { ToolQueries, toolsView } from './server/server.view.js';
import { Servers } from './server/servers.js';
import { schemaReactor } from './server/tool-schemas.js';
import { ToolsModule } from './tools.module.js';
import { Connections } from './upstream/connections.js';
import { mcpServers } from './upstream/mcp-servers.js';
import { Runners } from './upstream/runners.js';
import { SandboxedServers, type StdioServers } from './upstream/sandboxed-server.js';
import { ServiceToken } from './upstream/service-token.js';

/** What a test puts in the place of sandboxes. */
export interface Outside {
  readonly stdio?: StdioServers;
}

/** Starts the tool gateway: its API, and the MCP endpoint beside it. */
export function start(env: Record<string, string | undefined>, outside: Outside = {}): Promise<RunningService> {
  const config = parseConfig(env);
  let runners: Runners | undefined;
  let gateway: Gateway | undefined;
  return startService<Config>({
    name: 'tools',
    config,
    entities: [],
    migrations: [Tools0001],
    errors: [toolErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host: ({ ledger }) => ({
      model: aggregates([serverAggregate, actionAggregate]),
      projections: [toolsView],
      reactors: [schemaReactor(ledger)],
      errors: toolErrors,
    }),
    module: (context) => {
      runners = new Runners(context.ledger);
      const stdio = outside.stdio ?? new SandboxedServers(runners, tokenOf(config), context.log);
      return ToolsModule.with((gateway = gatewayOf(context, stdio)));
    },
    routes: async ({ enforcement, log }, fastify) => {
      const { calls, tools } = gateway as Gateway;
      const authenticator = (enforcement as Enforcement).authenticatorFor([mcpUrlOf(config)]);
      await mountMcp(fastify, { calls, tools, authenticator, log, url: mcpUrlOf(config), config });
    },
    stopping: async () => {
      await gateway?.connections.stop();
      runners?.close();
    },
  });
}

function gatewayOf(context: ServiceContext<Config>, stdio: StdioServers): Gateway {
  const { ledger, dataSource, blobs, log, config } = context;
  const enforcement = context.enforcement as Enforcement;
  const servers = new Servers({ ledger, host: context.host as Host, enforcement, log });
  const connections = new Connections(mcpServers(stdio, httpServersOf(config)), servers.discover, log);
  const tools = new ToolQueries(dataSource);
  return new Gateway(servers, tools, connections, new ToolCalls({ tools, connections, enforcement, blobs }));
}

function tokenOf({
  WRIT_SERVICE_KEY: jwk,
  WRIT_ISSUER: issuer,
  WRIT_ISSUER_ADDRESS: address,
  WRIT_AUDIENCE: audience,
}: Config): ServiceToken | undefined {
  return jwk === undefined ? undefined : new ServiceToken({ clientId: 'svc_tools', jwk, issuer, audience, address });
}
