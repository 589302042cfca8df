import { StreamableHTTPClientTransport, type FetchLike, type Transport } from '@modelcontextprotocol/client';
import { refuse } from '@writ/ledger/domain';

/**
 * MCP over HTTP to a server that the operator allows. Nothing of the caller goes there: the transport has no header but its own.
 * A redirect is not followed, because it would lead past the list of hosts.
 *
 * @throws DomainError `tools.host_refused`
 */
export function httpTransport(url: string, allowed: readonly string[]): Transport {
  return new StreamableHTTPClientTransport(mustBeAllowed(url, allowed), { fetch: guarded(allowed) });
}

/** @param allowed `host` for its default ports, or `host:port` @throws DomainError `tools.host_refused` */
export function mustBeAllowed(address: string | URL, allowed: readonly string[]): URL {
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse('tools.host_refused', `${url.protocol} is not http: or https:`);
  if (url.username !== '' || url.password !== '')
    throw refuse('tools.host_refused', 'an address with a user or a password would stand in the ledger');
  // URL.host leaves a default port out, and so may the list.
  const names = [url.host, `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`];
  if (names.some((name) => allowed.includes(name))) return url;
  throw refuse('tools.host_refused', `${url.host} is not among the hosts that the operator allows`, { host: url.host });
}

function guarded(allowed: readonly string[]): FetchLike {
  return async (address, init) => {
    const response = await fetch(mustBeAllowed(address, allowed), { ...init, redirect: 'manual' });
    if (response.status < 300 || response.status > 399 || response.status === 304) return response;
    await response.body?.cancel();
    throw new Error(`it redirects (${response.status}), which is not followed`);
  };
}
