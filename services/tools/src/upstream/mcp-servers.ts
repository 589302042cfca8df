import { DomainError, refuse } from '@writ/ledger/domain';
import { httpTransport, type HttpServers } from './http-transport.js';
import { McpUpstream } from './mcp-upstream.js';
import type { SealedEnv } from './sealed-env.js';
import type { StdioAddress, StdioServers } from './sandboxed-server.js';
import type { Address, Announced, Connect, Upstream } from './upstream.js';

/** Connects MCP servers, over HTTP to allowed hosts and over stdio. */
export function mcpServers(stdio: StdioServers, http: HttpServers, env: SealedEnv): Connect {
  return async (address, announce) => {
    const { spec } = address;
    if (spec.kind === 'http') return McpUpstream.connect(await httpTransport(spec.url, http), announce);
    return overStdio(stdio, { ...address, spec: env.open(address, spec) } as StdioAddress, announce);
  };
}

async function overStdio(
  stdio: StdioServers,
  address: StdioAddress,
  announce: (announced: Announced) => void,
): Promise<Upstream> {
  const { transport, complaint, release } = await stdio.start(address);
  try {
    const upstream = await McpUpstream.connect(transport, announce);
    const released = upstream.closed.then(release);
    // Whoever closes it waits until its sandbox is gone too.
    const close = async () => {
      await upstream.close();
      await released;
    };
    return {
      capabilities: upstream.capabilities,
      list: () => upstream.list(),
      call: (tool, input, exchange) => upstream.call(tool, input, exchange),
      ask: (request, exchange) => upstream.ask(request, exchange),
      watch: (uri) => upstream.watch(uri),
      close,
      closed: upstream.closed,
    };
  } catch (error) {
    await release();
    throw explained(error, address, complaint());
  }
}

/** A process that ends at once says why on its standard error. */
function explained(error: unknown, { server }: Address, complaint: string): unknown {
  if (complaint === '' || error instanceof DomainError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return refuse('tools.upstream_failed', `${server} cannot be reached: ${said}; it said: ${complaint.trim()}`);
}
