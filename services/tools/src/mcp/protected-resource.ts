import type { Failure } from '@writ/api';

/** What a caller must hold at least, as an OAuth scope would say it. */
const SCOPE = 'tool.call';

/** RFC 9728: what this resource is and who issues tokens for it. */
export function metadataOf(url: string, issuer: string) {
  return {
    resource: url,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: [SCOPE],
    authorization_details_types_supported: ['writ'],
    resource_name: 'Writ tools',
  };
}

/** Where the metadata is: the well-known part stands between host and path (RFC 9728 section 3.1). */
export function metadataUrlOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
}

/** `WWW-Authenticate` of a refusal (RFC 6750 section 3, RFC 9728 section 5.1); undefined where a token would change nothing. */
export function challengeOf({ code, status, detail }: Failure, url: string): string | undefined {
  const metadata = `resource_metadata="${metadataUrlOf(url)}"`;
  const described = `error_description="${detail.replace(/["\\]|[^\x20-\x7e]/g, "'")}"`;
  if (code === 'auth.missing_token') return `Bearer scope="${SCOPE}", ${metadata}`;
  if (status === 401) return `Bearer error="invalid_token", ${described}, scope="${SCOPE}", ${metadata}`;
  if (code === 'auth.missing_capability')
    return `Bearer error="insufficient_scope", ${described}, scope="${SCOPE}", ${metadata}`;
  return undefined;
}
