import { hkdfSync } from 'node:crypto';
import { actionAggregate, actionErrors, approvalErrors, type Enforcement } from '@writ/enforcement';
import type { Host } from '@writ/ledger';
import { aggregates } from '@writ/ledger/domain';
import { Replicas, serviceSecret, startService, type RunningService, type ServiceContext } from '@writ/platform';
import { ServerReads } from './call/server-reads.js';
import { ToolCalls } from './call/tool-calls.js';
import { httpServersOf, mcpUrlOf, parseConfig, type Config } from './config.js';
import type { Gateway } from './gateway.js';
import { Announcements } from './mcp/announcements.js';
import { CarriedStates } from './mcp/carried-state.js';
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
import { SealedEnv } from './upstream/sealed-env.js';
import { SandboxedServers, type StdioServers } from './upstream/sandboxed-server.js';
import { ServiceToken } from './upstream/service-token.js';

/** What a test puts in the place of sandboxes. */
export interface Outside {
  readonly stdio?: StdioServers;
}

/** Starts the tool gateway: its API, and the MCP endpoint beside it. */
export async function start(env: Record<string, string | undefined>, outside: Outside = {}): Promise<RunningService> {
  const config = parseConfig(env);
  const secret = await serviceSecret(config.WRIT_TOOLS_SECRET, config.WRIT_DATA, 'tools');
  let runners: Runners | undefined;
  let replicas: Promise<Replicas> | undefined;
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
      replicas = Replicas.follow(context.ledger.nc);
      runners = new Runners(replicas);
      const stdio = outside.stdio ?? new SandboxedServers(runners, tokenOf(config), context.log);
      return ToolsModule.with((gateway = gatewayOf(context, stdio, new SealedEnv(secret))));
    },
    routes: async ({ enforcement: following, log, replica }, fastify) => {
      const { calls, reads, tools, announcements, connections } = gateway as Gateway;
      // Requests have had their grace; what a server still works on for nobody ends now, while its outcome can be recorded.
      fastify.addHook('onClose', () => connections.stop());
      const enforcement = following as Enforcement;
      const url = mcpUrlOf(config);
      await mountMcp(fastify, {
        calls,
        reads,
        tools,
        announcements,
        enforcement,
        states: new CarriedStates(Buffer.from(hkdfSync('sha256', secret, '', 'writ tools request state', 32))),
        authenticator: enforcement.authenticatorFor([url]),
        replicas: await (replicas as Promise<Replicas>),
        replica,
        log,
        url,
        config,
      });
    },
    stopping: async () => {
      gateway?.announcements[Symbol.dispose]();
      runners?.close();
      (await replicas?.catch(() => undefined))?.stop();
    },
  });
}

function gatewayOf(context: ServiceContext<Config>, stdio: StdioServers, env: SealedEnv): Gateway {
  const { ledger, dataSource, blobs, log, config } = context;
  const enforcement = context.enforcement as Enforcement;
  const announcements = new Announcements(ledger.nc, context.replica);
  const servers = new Servers({ ledger, host: context.host as Host, enforcement, log, announcements });
  const connections = new Connections(
    mcpServers(stdio, httpServersOf(config), env),
    servers.discover,
    log,
    (address, news) => announcements.announced(address, news),
  );
  const tools = new ToolQueries(dataSource);
  const calls = new ToolCalls({ tools, connections, enforcement, blobs });
  announcements.onChanged(({ tenant }) => calls.forget(tenant));
  const reads = new ServerReads({ tools, connections, enforcement, blobs, announcements });
  return { servers, tools, connections, calls, reads, announcements, env };
}

function tokenOf({
  WRIT_SERVICE_KEY: jwk,
  WRIT_ISSUER: issuer,
  WRIT_ISSUER_ADDRESS: address,
  WRIT_AUDIENCE: audience,
}: Config): ServiceToken | undefined {
  return jwk === undefined ? undefined : new ServiceToken({ clientId: 'svc_tools', jwk, issuer, audience, address });
}
