import type { Enforcement, ActingCaller, Performed } from '@writ/enforcement';
import type { Blobs } from '@writ/blobs';
import { newId, permits, refuse, type Json } from '@writ/ledger/domain';
import type { ToolQueries } from '../server/server.view.js';
import type { Connection } from '../upstream/connection.js';
import type { Connections } from '../upstream/connections.js';
import { NoAnswer, type Asks, type UpstreamRequest } from '../upstream/upstream.js';
import type { Announcements } from '../mcp/announcements.js';
import { mustBeAllowed, shown } from './asking.js';
import { Results, type Answered } from './results.js';
import type { Passing } from './tool-calls.js';

type JsonObject = { [key: string]: Json };

/** What is asked of a server beside calls of its tools. */
export interface ServerRead {
  readonly server: string;
  readonly action: 'prompt.get' | 'resource.read';
  /** Name of the prompt, or URI of the resource or of its template. */
  readonly id: string;
  /** What policies see. */
  readonly arguments: JsonObject;
  readonly request: UpstreamRequest;
}

/** What these stand on. */
export interface ServerReadsParts {
  readonly tools: Pick<ToolQueries, 'server'>;
  readonly connections: Pick<Connections, 'get'>;
  readonly enforcement: Pick<Enforcement, 'perform'>;
  readonly blobs: Pick<Blobs, 'put' | 'get'>;
  readonly announcements: Pick<Announcements, 'onUpdated'>;
}

/**
 * Prompts, resources and completions of one server. Nothing of them is pinned: they are content, not code that acts. Each
 * is decided by policy and recorded like a call.
 */
export class ServerReads {
  private readonly results: Results;

  constructor(private readonly parts: ServerReadsParts) {
    this.results = new Results(parts.blobs);
  }

  /** What a server can do beside tools; nothing where it cannot be reached. */
  async capabilities(tenant: string, server: string): Promise<JsonObject> {
    try {
      return (await this.connection(tenant, server)).capabilities;
    } catch {
      return {};
    }
  }

  /** One page of a list, without what the grant does not name. */
  async list(
    { tenant, grant }: ActingCaller,
    server: string,
    { member, key, action, request }: Listing,
  ): Promise<JsonObject> {
    const connection = await this.connection(tenant, server);
    const page = await connection.ask(request, { signal: AbortSignal.timeout(LIST_TIMEOUT_MS) });
    const all = Array.isArray(page[member]) ? (page[member] as JsonObject[]) : [];
    const { nextCursor } = page;
    return {
      [member]: all.filter((each) => permits(grant, action, `${server}/${String(each[key])}`)),
      ...(typeof nextCursor === 'string' && { nextCursor }),
    };
  }

  /** @throws DomainError `auth.*`, `tools.server_not_found|upstream_failed`, `action.*`; each is recorded */
  async read(caller: ActingCaller, read: ServerRead, passing: Passing = {}): Promise<Performed<JsonObject>> {
    const { server, action, id, request } = read;
    const { signal: _, ...acting } = caller;
    const performed = await this.parts.enforcement.perform<Answered<JsonObject>>(
      {
        caller: acting,
        action,
        resource: { type: action === 'prompt.get' ? 'Prompt' : 'Resource', id: `${server}/${id}` },
        arguments: read.arguments,
        effectId: newId('act'),
        effect: 'read',
        summary: ({ summary }) => summary,
      },
      async ({ signal }) => {
        const { cancelled, ...beside } = passing;
        const either = cancelled === undefined ? signal : AbortSignal.any([signal, cancelled]);
        return this.results.keep(await this.ask(caller.tenant, server, request, { ...beside, signal: either }));
      },
    );
    return performed.outcome === 'done' ? { ...performed, value: performed.value.result } : performed;
  }

  /** Announces each update of a resource that the caller may read. @throws DomainError `auth.missing_capability` */
  async watch(
    { tenant, grant }: ActingCaller,
    server: string,
    uri: string,
    updated: () => void,
  ): Promise<AsyncDisposable> {
    if (!permits(grant, 'resource.read', `${server}/${uri}`))
      throw refuse('auth.missing_capability', `the token does not carry resource.read on ${server}/${uri}`);
    const stack = new AsyncDisposableStack();
    stack.use(this.parts.announcements.onUpdated({ tenant, server, uri }, updated));
    try {
      stack.use(await (await this.connection(tenant, server)).watch(uri));
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
    return stack;
  }

  private async ask(
    tenant: string,
    server: string,
    request: UpstreamRequest,
    exchange: Parameters<Connection['ask']>[1],
  ): Promise<JsonObject> {
    try {
      const { connection, spec } = await this.reached(tenant, server);
      const client = shown(exchange.client, spec);
      const answer = await connection.ask(request, { ...exchange, client });
      if (answer['resultType'] === 'input_required') mustBeAllowed(answer as Asks, client, server);
      return answer;
    } catch (problem) {
      if (problem instanceof NoAnswer) throw refuse('tools.upstream_failed', problem.message);
      throw problem;
    }
  }

  private async connection(tenant: string, server: string): Promise<Connection> {
    return (await this.reached(tenant, server)).connection;
  }

  private async reached(tenant: string, server: string) {
    const spec = await this.parts.tools.server(tenant, server);
    if (spec === undefined || spec.kind === 'worker')
      throw refuse('tools.server_not_found', `there is no server ${server}`);
    return { spec, connection: await this.parts.connections.get({ tenant, server, spec }) };
  }
}

/** A list of a server. */
export interface Listing {
  /** Where it stands in the answer. */
  readonly member: string;
  /** What of an entry a grant names. */
  readonly key: string;
  readonly action: ServerRead['action'];
  readonly request: UpstreamRequest;
}

const LIST_TIMEOUT_MS = 30_000;
