import { ProtocolError, type Server, type ServerContext } from '@modelcontextprotocol/server';
import type { Performed } from '@writ/enforcement';
import type { Json } from '@writ/ledger/domain';
import type { Listing, ServerRead } from '../call/server-reads.js';
import type { Asks } from '../upstream/upstream.js';
import type { Face, McpDoorParts } from './mcp-server.js';
import { protocolError, REFUSED, refusalText } from './refusal.js';
import { callerOf, passingOf } from './request-context.js';

type JsonObject = { [key: string]: Json };
type ServerFace = Face & { readonly server: string };

/** Prompts, resources and completions of one server, as far as it has them. */
export function serveReads(server: Server, parts: McpDoorParts, face: ServerFace, has: JsonObject): void {
  const reads = new Reads(server, parts, face);
  if (has['prompts'] !== undefined) servePrompts(server, reads);
  if (has['resources'] !== undefined) serveResources(server, reads, face);
  if (has['completions'] !== undefined)
    server.setRequestHandler('completion/complete', ({ params }, context) => {
      const { ref, argument } = params;
      const completing = { completing: argument.name };
      const asked: Pick<ServerRead, 'action' | 'id' | 'arguments'> =
        ref.type === 'ref/prompt'
          ? { action: 'prompt.get', id: ref.name, arguments: completing }
          : { action: 'resource.read', id: ref.uri, arguments: { uri: ref.uri, ...completing } };
      return reads.read('completion/complete', params, asked, context);
    });
}

function servePrompts(server: Server, reads: Reads): void {
  server.setRequestHandler('prompts/list', ({ params }, context) =>
    reads.list('prompts/list', params, { member: 'prompts', key: 'name', action: 'prompt.get' }, context),
  );
  server.setRequestHandler('prompts/get', ({ params }, context) => {
    const { name, arguments: input = {} } = params;
    const asked = { action: 'prompt.get' as const, id: name, arguments: { arguments: input } };
    return reads.read('prompts/get', { name, arguments: input }, asked, context);
  });
}

function serveResources(server: Server, reads: Reads, face: ServerFace): void {
  const listed = { action: 'resource.read' } as const;
  server.setRequestHandler('resources/list', ({ params }, context) =>
    reads.list('resources/list', params, { ...listed, member: 'resources', key: 'uri' }, context),
  );
  server.setRequestHandler('resources/templates/list', ({ params }, context) =>
    reads.list(
      'resources/templates/list',
      params,
      { ...listed, member: 'resourceTemplates', key: 'uriTemplate' },
      context,
    ),
  );
  server.setRequestHandler('resources/read', ({ params: { uri } }, context) =>
    reads.read('resources/read', { uri }, { action: 'resource.read', id: uri, arguments: { uri } }, context),
  );
  if (!face.session) return;
  server.setRequestHandler('resources/subscribe', ({ params: { uri } }, context) => reads.watch(uri, context));
  server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => reads.unwatch(uri));
}

/** The way of one connection to one server. */
class Reads {
  private readonly watched = new Map<string, AsyncDisposable>();

  constructor(
    private readonly server: Server,
    private readonly parts: McpDoorParts,
    private readonly face: ServerFace,
  ) {
    const ended = server.onclose;
    server.onclose = () => {
      ended?.();
      for (const uri of this.watched.keys()) void this.unwatch(uri).catch(() => undefined);
    };
  }

  async list<T>(
    method: string,
    params: object | undefined,
    listing: Omit<Listing, 'request'>,
    context: ServerContext,
  ): Promise<T> {
    const { cursor } = (params ?? {}) as { cursor?: string };
    const request = { method, params: cursor === undefined ? {} : { cursor } };
    return (await this.told(() =>
      this.parts.reads.list(callerOf(context), this.face.server, { ...listing, request }),
    )) as T;
  }

  async read<T>(
    method: string,
    params: object,
    asked: Pick<ServerRead, 'action' | 'id' | 'arguments'>,
    context: ServerContext,
  ): Promise<T> {
    const { states, reads } = this.parts;
    const what = [this.face.server, method, asked.id, asked.arguments] as Json;
    const { round, ...state } = states.of(what, context);
    const passing = { ...passingOf(this.server, context), ...state };
    const { _meta, ...plain } = params as JsonObject;
    const read = { ...asked, server: this.face.server, request: { method, params: plain } };
    const performed = await this.told(() => reads.read(callerOf(context), read, passing));
    const value = valueOf(performed);
    if (value['resultType'] !== 'input_required') return this.labelled(value) as T;
    return (await states.asking(what, round, value as Asks, context)) as T;
  }

  /** Where what follows comes from, and that nobody vouches for it. */
  private labelled({ resultType: _type, ttlMs: _ttl, cacheScope: _scope, ...value }: JsonObject): JsonObject {
    return { ...value, _meta: { 'writ/server': this.face.server, 'writ/labels': ['untrusted'] } };
  }

  async watch(uri: string, context: ServerContext): Promise<object> {
    if (this.watched.has(uri)) return {};
    const watched = await this.told(() =>
      this.parts.reads.watch(callerOf(context), this.face.server, uri, () => {
        void this.server.sendResourceUpdated({ uri }).catch(() => undefined);
      }),
    );
    this.watched.set(uri, watched);
    return {};
  }

  async unwatch(uri: string): Promise<object> {
    const watched = this.watched.get(uri);
    this.watched.delete(uri);
    await watched?.[Symbol.asyncDispose]();
    return {};
  }

  private async told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw protocolError(error);
    }
  }
}

/** @throws ProtocolError where there is none */
function valueOf(performed: Performed<JsonObject>): JsonObject {
  if (performed.outcome === 'done' || performed.outcome === 'replayed') return performed.value as JsonObject;
  const { text, ...meta } = refusalText(performed);
  throw new ProtocolError(REFUSED, text, meta);
}
