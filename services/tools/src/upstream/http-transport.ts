import { StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { refuse } from '@writ/ledger/domain';
import type { Outbound } from '@writ/platform';

/** Bytes of an answer, or of one event of a stream: what is larger is not read to its end. */
const MAX_BYTES = 32 * 1024 * 1024;

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
    bounded(await outbound.fetch(mustBeAllowed(new URL(to), hosts), init));
  return new StreamableHTTPClientTransport(url, { fetch });
}

/** @throws DomainError `tools.host_refused` */
export function mustBeAllowed(url: URL, hosts: readonly string[]): URL {
  // URL.host leaves a default port out, and so may the list.
  const names = [url.host, `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`];
  if (names.some((name) => hosts.includes(name))) return url;
  throw refuse('tools.host_refused', `${url.host} is not among the hosts that the operator allows`, { host: url.host });
}

/** A server may not fill this process. Exported for its test. */
export function bounded(response: Response, maxBytes = MAX_BYTES): Response {
  const { body, headers } = response;
  const streams = headers.get('content-type')?.startsWith('text/event-stream') === true;
  const length = Number(headers.get('content-length') ?? NaN);
  if (body === null || (!streams && length <= maxBytes)) return response;
  let since = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(part, controller) {
      since += part.length;
      if (since > maxBytes) controller.error(new Error(`it answers more than ${maxBytes} bytes`));
      else controller.enqueue(part);
      if (streams && endsEvent(part)) since = 0;
    },
  });
  return new Response(body.pipeThrough(counted), { status: response.status, headers });
}

const NEWLINE = 0x0a;

/** An empty line ends an event. */
function endsEvent(part: Uint8Array): boolean {
  const last = part.at(-1);
  return last === NEWLINE && (part.at(-2) === NEWLINE || part.at(-3) === NEWLINE);
}
