import { Inject } from '@nestjs/common';
import type { JsonObject } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import { valueOf, type Enforcement } from '@writ/enforcement';
import type { Host, Ledger } from '@writ/ledger';
import {
  derivedId,
  DomainError,
  formatPosition,
  newId,
  partitionOf,
  partitionsOf,
  refuse,
  type Json,
} from '@writ/ledger/domain';
import { ENFORCEMENT, HOST, LEDGER, viewReaches } from '@writ/platform';
import {
  MemoryService,
  type ForgetRequest,
  type ListMemoriesRequest,
  type RecallRequest,
  type RememberRequest,
} from '@writ/proto/memory/v1/memory';
import type { MemoryCommand } from './memory.js';
import { MEMORY_VIEW, MemoryQueries, type MemoryRow } from './memory.view.js';

const DEFAULT_LIMIT = 50;
const VIEW_WAIT_MS = 5_000;

/** Implements `writ.memory.v1.MemoryService`. Everything an agent does here passes enforcement, reading too. */
@ApiService(MemoryService)
export class MemoryApi implements ServiceImplementation<typeof MemoryService> {
  constructor(
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(ENFORCEMENT) private readonly enforcement: Enforcement,
    @Inject(HOST) private readonly host: Host,
    @Inject(MemoryQueries) private readonly memories: MemoryQueries,
  ) {}

  async remember(request: RememberRequest, caller: Caller) {
    const { scope, text } = request;
    const attributes = (request.attributes ?? {}) as Record<string, Json>;
    const effectId = request.effectId || newId('act');
    // The same effect is the same memory, also when it is performed again after a crash.
    const id = derivedId('mem', caller.tenant, effectId);
    const performed = await this.enforcement.perform(
      {
        ...actionOf(caller, 'memory.write', scope, effectId),
        arguments: { text, attributes },
        effect: 'idempotent',
        summary: (value) => value as unknown as Json,
      },
      async () => {
        const command: MemoryCommand = {
          type: 'remember',
          scope,
          text,
          attributes,
          ...(caller.run !== undefined && { run: caller.run }),
        };
        const { position } = await this.send(caller, id, command);
        return { id, position };
      },
    );
    return valueOf(performed) as { id: string; position: string };
  }

  async recall(request: RecallRequest, caller: Caller) {
    const { scope, query, after } = request;
    const limit = request.limit || DEFAULT_LIMIT;
    // Whoever names no position means all that was remembered before they asked: by themselves, or by who told them to ask.
    const positions = after === '' ? await this.ends() : [after];
    const performed = await this.enforcement.perform(
      {
        ...actionOf(caller, 'memory.read', scope, request.effectId || newId('act')),
        arguments: { query, limit },
        effect: 'read',
        summary: (rows) => rows.map((row) => row.id),
      },
      async () => {
        await this.upTo(...positions);
        return this.memories.search(caller.tenant, scope, query, limit);
      },
    );
    // A repeated effect answers what it found then, as far as it is still there.
    const rows =
      performed.outcome === 'replayed'
        ? await this.memories.byIds(caller.tenant, performed.value as string[])
        : (valueOf(performed) as MemoryRow[]);
    return { memories: rows.map(messageOf) };
  }

  async listMemories(request: ListMemoriesRequest, caller: Caller) {
    const { scope, pageToken, after } = request;
    const size = request.pageSize || DEFAULT_LIMIT;
    const performed = await this.enforcement.perform(
      {
        ...actionOf(caller, 'memory.read', scope, newId('act')),
        arguments: { query: '', limit: size },
        effect: 'read',
      },
      async () => {
        await this.upTo(after);
        return this.memories.list(caller.tenant, scope, size, pageToken || undefined);
      },
    );
    const rows = valueOf(performed) as MemoryRow[];
    return { memories: rows.map(messageOf), nextPageToken: rows.length === size ? (rows.at(-1)?.id ?? '') : '' };
  }

  async forget(request: ForgetRequest, caller: Caller) {
    const scope = await this.scopeOf(caller.tenant, request.id);
    if (scope === undefined) throw refuse('memory.not_found', `there is no memory ${request.id}`, { id: request.id });
    const performed = await this.enforcement.perform(
      {
        ...actionOf(caller, 'memory.forget', scope, request.effectId || newId('act')),
        arguments: { id: request.id, reason: request.reason },
        effect: 'idempotent',
        summary: (value) => value as unknown as Json,
      },
      () => this.send(caller, request.id, { type: 'forget', reason: request.reason }),
    );
    return valueOf(performed) as { position: string };
  }

  /** What was remembered a moment ago may not be in the view yet: only once that has caught up it is known to be nowhere. */
  private async scopeOf(tenant: string, id: string): Promise<string | undefined> {
    const known = await this.memories.scopeOf(tenant, id);
    if (known !== undefined) return known;
    await this.upTo(...(await this.end(partitionOf(tenant, id, partitionsOf.memory))));
    return this.memories.scopeOf(tenant, id);
  }

  private async ends(): Promise<string[]> {
    const ends = Array.from({ length: partitionsOf.memory }, (_, partition) => this.end(partition));
    return (await Promise.all(ends)).flat();
  }

  /** Of a partition; nothing where it is empty. */
  private async end(partition: number): Promise<string[]> {
    const commit = await this.ledger.last('memory', partition).catch((cause: unknown) => {
      throw new DomainError('ledger.unavailable', 'the broker does not say where the ledger ends', {}, { cause });
    });
    return commit === 0 ? [] : [formatPosition({ service: 'memory', partition, commit, index: 0 })];
  }

  private async send(caller: Caller, subject: string, command: MemoryCommand): Promise<{ position: string }> {
    const { tenant, actor, trace } = caller;
    const { position } = await this.ledger
      .commands('memory')
      .send({ tenant, aggregate: 'memory', subject, command, actor, ...(trace !== undefined && { trace }) });
    return { position };
  }

  private async upTo(...positions: string[]): Promise<void> {
    const reached = await Promise.all(
      positions.map((position) => viewReaches(this.host, MEMORY_VIEW, position, VIEW_WAIT_MS)),
    );
    const missing = positions.filter((_, at) => !reached[at]);
    if (missing.length === 0) return;
    const where = missing.join(', ');
    throw refuse('memory.view_behind', `the view has not reached ${where} within ${VIEW_WAIT_MS} ms; try again`);
  }
}

function actionOf(
  caller: Caller,
  action: 'memory.read' | 'memory.write' | 'memory.forget',
  scope: string,
  effectId: string,
) {
  return { caller, action, resource: { type: 'Memory' as const, id: scope }, effectId };
}

function messageOf(row: MemoryRow) {
  return {
    id: row.id,
    scope: row.scope,
    text: row.text,
    attributes: row.attributes as JsonObject,
    agent: row.agent,
    run: row.run ?? '',
    createTime: timestampFromDate(row.created),
    score: row.score ?? 0,
  };
}
