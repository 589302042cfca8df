import ipaddr from 'ipaddr.js';

/** The only block of IPv6 that is given out for the public internet (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** Answers every machine of Azure from inside its host, though its number is a public one. */
const AZURE_HOST = ipaddr.IPv4.parseCIDR('168.63.129.16/32');

/**
 * What an address is if it is not a public one: `loopback`, `private`, `linkLocal` (where clouds keep their metadata),
 * `uniqueLocal`, `6to4`, `rfc6052` (NAT64) and so on, the names of ipaddr.js. An IPv4 address inside an IPv6 address is
 * what it is alone; other ways to wrap one are not public at all.
 *
 * @param address as a resolver gives it
 */
export function specialRangeOf(address: string): string | undefined {
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range !== 'unicast') return range;
  const isPublic = parsed instanceof ipaddr.IPv4 ? !parsed.match(AZURE_HOST) : parsed.match(GLOBAL_UNICAST);
  return isPublic ? undefined : 'reserved';
}
