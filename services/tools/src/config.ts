import { isIP } from 'node:net';
import { BaseConfig, Outbound, readConfig } from '@writ/platform';
import type { JWK } from 'jose';
import * as z from 'zod';
import type { HttpServers } from './upstream/http-transport.js';

const list = z
  .string()
  .default('')
  .transform((text) => text.split(',').flatMap((each) => each.trim() || []));

const Config = BaseConfig.extend({
  /** Base of the URLs that the outside uses; the MCP endpoint is `<base>/mcp`. Default: where the issuer is. */
  WRIT_PUBLIC_URL: z.url().optional(),
  /**
   * `host` or `host:port` of the HTTP servers that may be connected, separated by commas. Empty: none. An address may be
   * a private one; a name that leads to one needs `WRIT_OUTBOUND_ALLOW` too, since others decide where it leads.
   */
  WRIT_TOOL_HTTP_HOSTS: list,
  /** Origins of web pages that may speak to the MCP endpoint, beside the public URL's own. */
  WRIT_MCP_ORIGINS: list,
  /**
   * 32 bytes, base64: seals the environments of servers, and what clients carry from one round of a request to the next. All
   * replicas need the same one. Absent: made once and kept in `<WRIT_DATA>/tools/secret`, readable by this user alone.
   */
  WRIT_TOOLS_SECRET: z
    .base64()
    .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64')
    .optional(),
  /** Private JWK (EC P-256, JSON) of the client `svc_tools`. Without it no server can be started in a sandbox. */
  WRIT_SERVICE_KEY: z
    .string()
    .transform((text, context): JWK => {
      try {
        return z.looseObject({ kty: z.literal('EC'), d: z.string() }).parse(JSON.parse(text)) as JWK;
      } catch {
        context.addIssue('must be a private JWK (EC P-256) as JSON'); // never with the value: it is a secret
        return z.NEVER;
      }
    })
    .optional(),
});

/** The configuration of the tool gateway. */
export type Config = z.infer<typeof Config>;

/** @throws Error that names every variable that is missing or wrong. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  return readConfig(Config, env);
}

/** Where the outside finds the MCP endpoint, and so what its tokens must be made for. */
export function mcpUrlOf({ WRIT_PUBLIC_URL, WRIT_ISSUER }: Config): string {
  return `${(WRIT_PUBLIC_URL ?? new URL(WRIT_ISSUER).origin).replace(/\/$/, '')}/mcp`;
}

/** The way to MCP servers over HTTP. */
export function httpServersOf({ WRIT_TOOL_HTTP_HOSTS: hosts, WRIT_OUTBOUND_ALLOW: allow }: Config): HttpServers {
  const addresses = hosts.filter((host) => isIP(new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '')) !== 0);
  return { hosts, outbound: new Outbound([...allow, ...addresses]) };
}
