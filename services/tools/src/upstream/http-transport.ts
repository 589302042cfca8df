import { StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { refuse } from '@writ/ledger/domain';
import type { Asked, Outbound } from '@writ/platform';

/** Where MCP servers over HTTP may be. */
export interface HttpServers {
  /** `host` for its default ports, or `host:port`. */
  readonly hosts: readonly string[];
  readonly outbound: Outbound;
}

/**
 * MCP over HTTP to a server that the operator allows. Nothing of the caller goes there: the transport has no header but its own.
 *
 * @throws DomainError `tools.host_refused`, `outbound.*`
 */
export async function httpTransport(address: string, { hosts, outbound }: HttpServers): Promise<Transport> {
  const { url } = await outbound.check(mustBeAllowed(new URL(address), hosts));
  const fetch = async (to: string | URL, init?: RequestInit) =>
    outbound.fetch(mustBeAllowed(new URL(to), hosts), init as Asked);
  return new StreamableHTTPClientTransport(url, { fetch });
}

/** @throws DomainError `tools.host_refused` */
export function mustBeAllowed(url: URL, hosts: readonly string[]): URL {
  // URL.host leaves a default port out, and so may the list.
  const names = [url.host, `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`];
  if (names.some((name) => hosts.includes(name))) return url;
  throw refuse('tools.host_refused', `${url.host} is not among the hosts that the operator allows`, { host: url.host });
}
