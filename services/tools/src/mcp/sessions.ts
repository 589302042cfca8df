import { randomUUID } from 'node:crypto';
import { WebStandardStreamableHTTPServerTransport, type Server } from '@modelcontextprotocol/server';
import type { ActingCaller } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import type { Changed } from './announcements.js';
import type { Face } from './mcp-server.js';
import { SessionLog } from './session-log.js';

/** Sessions of one principal, and of a process; a client that ends one says so, or it is forgotten in time. */
const MAX_OF_ONE = 64;
const MAX = 5_000;
const IDLE_MS = 15 * 60_000;
const SWEEP_MS = 60_000;
/** Before a client that lost its stream comes again. */
const RETRY_MS = 500;

interface Session {
  readonly owner: string;
  readonly face: Face;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly server: Server;
  usedMs: number;
}

/**
 * Sessions of clients of 2025-11-25: the way on which a server asks its client something, and announces what changed. A
 * session is no authority: each request on it is authenticated, and it answers to the principal that opened it alone.
 */
export class Sessions implements AsyncDisposable {
  private readonly sessions = new Map<string, Session>();
  private readonly sweeper: NodeJS.Timeout;

  /** @param replica begins the ids, so that any replica knows whose session it is */
  constructor(
    private readonly replica: string,
    private readonly serverOf: (face: Face) => Promise<Server>,
  ) {
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /** A session that its first request, `initialize`, has yet to begin. @throws DomainError `tools.too_many_sessions` */
  async open(face: Face, caller: ActingCaller): Promise<WebStandardStreamableHTTPServerTransport> {
    const owner = ownerOf(caller);
    const mine = [...this.sessions.values()].filter((session) => session.owner === owner).length;
    if (mine >= MAX_OF_ONE || this.sessions.size >= MAX)
      throw refuse('tools.too_many_sessions', `${mine} sessions of ${caller.principal} are open; end one (DELETE)`);
    const server = await this.serverOf(face);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => `${this.replica}.${randomUUID()}`,
      onsessioninitialized: (id) => {
        this.sessions.set(id, { owner, face, transport, server, usedMs: performance.now() });
      },
      onsessionclosed: (id) => void this.sessions.delete(id),
      eventStore: new SessionLog(),
      retryInterval: RETRY_MS,
    });
    await server.connect(transport);
    return transport;
  }

  /** The session of this id, if it is this caller's and at this face. */
  of(id: string, face: Face, caller: ActingCaller): WebStandardStreamableHTTPServerTransport | undefined {
    const session = this.sessions.get(id);
    if (session?.owner !== ownerOf(caller) || session.face.server !== face.server) return undefined;
    session.usedMs = performance.now();
    return session.transport;
  }

  /** Tells those of a tenant that a list is another one now. */
  changed({ tenant, what }: Changed): void {
    const method = `notifications/${what}/list_changed` as const;
    for (const { face, server } of this.sessions.values())
      if (face.tenant === tenant && (what === 'tools' || face.server !== undefined))
        void server.notification({ method }).catch(() => undefined); // one that has none of these, or is going
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.sweeper);
    const all = [...this.sessions.values()];
    this.sessions.clear();
    await Promise.allSettled(all.map(({ server }) => server.close()));
  }

  private sweep(): void {
    const since = performance.now() - IDLE_MS;
    for (const [id, { usedMs, server }] of this.sessions)
      if (usedMs < since) {
        this.sessions.delete(id);
        void server.close().catch(() => undefined);
      }
  }
}

function ownerOf({ tenant, principal, run = '' }: ActingCaller): string {
  return JSON.stringify([tenant, principal, run]);
}
