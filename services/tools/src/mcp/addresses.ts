/** Where a request may say that it comes from and goes to. */
export interface Addresses {
  /** The endpoint's canonical URI. */
  readonly url: string;
  /** `host` or `host:port` beside that of the URL. */
  readonly hosts: readonly string[];
  /** Origins of web pages, beside that of the URL. */
  readonly origins: readonly string[];
}

/**
 * A page of the web whose name was made to point at this machine (DNS rebinding) comes with its own name as `Host`, and
 * as `Origin` where a browser sends it. @returns what is wrong, if anything is
 */
export function strangeAddress(
  { host, origin }: { host?: string | undefined; origin?: string | undefined },
  { url, hosts, origins }: Addresses,
): string | undefined {
  const own = new URL(url);
  const named = [own.host, `${own.hostname}:${own.port || (own.protocol === 'https:' ? '443' : '80')}`, ...hosts];
  if (host === undefined || !named.includes(host.toLowerCase()))
    return `the host ${host ?? '(none)'} is not one of this endpoint; WRIT_MCP_HOSTS allows others`;
  if (origin !== undefined && origin !== own.origin && !origins.includes(origin))
    return `the origin ${origin} is not allowed; WRIT_MCP_ORIGINS allows others`;
  return undefined;
}
