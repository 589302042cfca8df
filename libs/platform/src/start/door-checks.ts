import { hostname } from 'node:os';
import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { refuse } from '@writ/ledger/domain';
import type { FastifyInstance } from 'fastify';
import type { BaseConfig } from '../config/config.js';

/** Headers of which a second one would be read by some and not by others. */
const onlyOnce: ReadonlySet<string> = new Set([
  'authorization',
  'content-type',
  'host',
  'idempotency-key',
  'writ-tenant',
]);

/**
 * Refuses what is asked of another host than this service is: a page whose name was made to lead here (DNS rebinding) says
 * that name. Addresses and names without a dot cannot be such a name; others are those of the configuration.
 */
export function checkDoor(fastify: FastifyInstance, config: BaseConfig): void {
  const served = servedNames(config);
  fastify.addHook('onRequest', async ({ raw }) => {
    mustComeOnce(raw);
    const { host } = raw.headers;
    if (host !== undefined && !isServed(host, served))
      throw refuse('request.wrong_host', `${host.slice(0, 100)} is not served here`);
  });
}

/** Exported for its test. @param host as the header says it @param served in lower case */
export function isServed(host: string, served: ReadonlySet<string>): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d*)?$/i.exec(host) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const name = plain.toLowerCase().replace(/\.$/, '');
  return name !== '' && (isIP(name) === 4 || /^[a-z0-9_-]+$/.test(name) || served.has(name));
}

function servedNames({
  WRIT_HOSTS: hosts,
  WRIT_PUBLIC_URL: publicUrl,
  WRIT_ISSUER: issuer,
  WRIT_ADVERTISE_HOST: advertised,
}: BaseConfig): ReadonlySet<string> {
  const names = [...hosts, new URL(issuer).hostname, hostname()];
  if (publicUrl !== undefined) names.push(new URL(publicUrl).hostname);
  if (advertised !== undefined) names.push(advertised);
  return new Set(names.map((name) => name.toLowerCase()));
}

function mustComeOnce({ rawHeaders }: IncomingMessage): void {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (!onlyOnce.has(name)) continue;
    if (seen.has(name)) throw refuse('request.malformed', `the header ${name} stands there twice`);
    seen.add(name);
  }
}
