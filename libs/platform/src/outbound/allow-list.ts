import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Entry =
  | { readonly network: [ipaddr.IPv4 | ipaddr.IPv6, number]; readonly port?: string }
  | { readonly name: string; readonly port?: string };

/**
 * What the operator allows beside the public internet: networks (`10.0.0.0/8`), addresses (`127.0.0.1`, `[::1]:3000`)
 * and names (`mcp.internal:8080`), which may then lead anywhere. Without a port, every port.
 */
export class AllowList {
  private readonly entries: readonly Entry[];

  /** @throws Error that names the entry that is none */
  constructor(entries: readonly string[]) {
    this.entries = entries.map(entryOf);
  }

  hasName(name: string, port: string): boolean {
    return this.entries.some((entry) => 'name' in entry && entry.name === name && (entry.port ?? port) === port);
  }

  hasAddress(address: string, port: string): boolean {
    const parsed = ipaddr.process(address);
    return this.entries.some((entry) => {
      if (!('network' in entry) || (entry.port ?? port) !== port) return false;
      const [network, bits] = entry.network;
      return parsed.kind() === network.kind() && parsed.match(network, bits);
    });
  }
}

function entryOf(text: string): Entry {
  if (text.includes('/') && ipaddr.isValidCIDR(text)) return { network: ipaddr.parseCIDR(text) };
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? (isIP(text) === 6 ? text : plain);
  const withPort = port !== undefined && { port };
  const family = isIP(host);
  if (family !== 0)
    return { network: [ipaddr.process(host), ipaddr.process(host).kind() === 'ipv4' ? 32 : 128], ...withPort };
  if (/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(host) && !/^[\d.]+$/.test(host))
    return { name: host.toLowerCase(), ...withPort };
  throw new Error(`"${text}" is not a host, host:port, address or network such as 10.0.0.0/8`);
}
