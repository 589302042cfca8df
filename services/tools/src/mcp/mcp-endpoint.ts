import {
  createMcpHandler,
  isInitializeRequest,
  type AuthInfo,
  type McpHttpHandler,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import type { ActingCaller } from '@writ/enforcement';
import type { Logger } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import type { Announcements, Changed } from './announcements.js';
import { mcpServer, type Face, type McpDoorParts } from './mcp-server.js';
import { disagreement } from './param-headers.js';
import { Sessions } from './sessions.js';
import { fullName } from './tool-handlers.js';
import { jsonRpcError } from './web.js';

/** Handlers that are kept; each is of a tenant, so that nobody hears what changes in another. */
const KEPT = 1_000;
const HEADER_MISMATCH = -32_020;

type At = Omit<Face, 'session'>;

/** Answers requests of MCP, in either era: 2026-07-28 each by itself, 2025-11-25 in sessions, or one by one without. */
export class McpEndpoint implements AsyncDisposable {
  private readonly handlers = new Map<string, McpHttpHandler>();
  private readonly sessions: Sessions;

  constructor(private readonly parts: McpDoorParts & { announcements: Announcements; replica: string; log: Logger }) {
    this.sessions = new Sessions(parts.replica, (face) => mcpServer(parts, face));
    parts.announcements.onChanged((changed) => this.changed(changed));
  }

  /** @param body of a POST @throws DomainError `tools.server_not_found`, `tools.too_many_sessions` */
  async answer(request: Request, body: unknown, at: At, caller: ActingCaller): Promise<Response> {
    if (at.server !== undefined && !/^[a-z][a-z0-9-]{0,40}$/.test(at.server))
      throw refuse('tools.server_not_found', 'there is no such server');
    const authInfo = authInfoOf(caller, at);
    const options = { authInfo, ...(body !== undefined && { parsedBody: body }) };
    const id = request.headers.get('mcp-session-id');
    if (id !== null) {
      const session = this.sessions.of(id, { ...at, session: true }, caller);
      // Whoever did not open it does not learn that it is there.
      return session?.handleRequest(request, options) ?? jsonRpcError(404, -32_001, 'there is no such session', body);
    }
    // The method first: the SDK's check of a whole message makes an Error for each that is none.
    if (methodOf(body) === 'initialize' && isInitializeRequest(body)) {
      const session = await this.sessions.open({ ...at, session: true }, caller);
      return session.handleRequest(request, options);
    }
    const wrong = await this.mismatch(request, body, at, caller);
    if (wrong !== undefined) return jsonRpcError(400, HEADER_MISMATCH, `header and body disagree: ${wrong}`, body);
    return this.handlerOf(at.tenant).fetch(request, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
    await Promise.all([...this.handlers.values()].map((handler) => handler.close()));
  }

  /** Of arguments that stand in headers too (2026-07-28). The rest of the headers the SDK compares. */
  private async mismatch(
    { headers }: Request,
    body: unknown,
    at: At,
    caller: ActingCaller,
  ): Promise<string | undefined> {
    if (!headers.has('mcp-protocol-version') || headers.get('mcp-protocol-version')! < '2026-07-28') return undefined;
    if (methodOf(body) !== 'tools/call') return undefined;
    const { params } = body as { params?: { name?: unknown; arguments?: unknown } };
    if (typeof params?.name !== 'string') return undefined;
    const tool = fullName(at, params.name);
    const definition = tool === undefined ? undefined : await this.parts.calls.known(caller, tool);
    return definition && disagreement(definition.inputSchema, params.arguments, headers);
  }

  private handlerOf(tenant: string): McpHttpHandler {
    const known = this.handlers.get(tenant);
    if (known !== undefined) return known;
    const handler = createMcpHandler(
      ({ authInfo }) => mcpServer(this.parts, { ...(authInfo?.extra?.['at'] as At), session: false }),
      { onerror: (error) => this.parts.log.debug({ err: error }, 'an MCP request was refused') },
    );
    this.handlers.set(tenant, handler);
    const [oldest] = this.handlers;
    if (this.handlers.size > KEPT && oldest !== undefined) {
      this.handlers.delete(oldest[0]);
      void oldest[1].close();
    }
    return handler;
  }

  private changed(changed: Changed): void {
    this.sessions.changed(changed);
    const notifier = this.handlers.get(changed.tenant)?.notify;
    if (notifier !== undefined) notifier[said[changed.what]]();
  }
}

const said = {
  tools: 'toolsChanged',
  prompts: 'promptsChanged',
  resources: 'resourcesChanged',
} as const satisfies Record<Changed['what'], keyof ServerNotifier>;

function methodOf(body: unknown): unknown {
  return (body as { method?: unknown } | null | undefined)?.method;
}

function authInfoOf(caller: ActingCaller & { expires?: Date }, at: At): AuthInfo {
  return {
    token: '', // what serves the request has no use for it
    clientId: caller.principal,
    scopes: [],
    ...(caller.expires && { expiresAt: Math.floor(caller.expires.getTime() / 1000) }),
    extra: { caller, at },
  };
}
