import type { Projection } from '@writ/ledger';
import { refuse, type Json, type LedgerEvent, type Position } from '@writ/ledger/domain';
import { readTenant, storable, storableJson } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { MemoryEvent } from './memory.events.js';

/** One row of the view. */
export interface MemoryRow {
  readonly id: string;
  readonly scope: string;
  readonly text: string;
  readonly attributes: Record<string, Json>;
  readonly agent: string;
  readonly run: string | null;
  readonly created: Date;
  /** 0 to about 2, higher is better; only in search results. */
  readonly score?: number;
}

/** Name of the projection, for `Host.waitFor`. */
export const MEMORY_VIEW = 'memory';

/** Keeps the rows of what is remembered; of what is forgotten only that it was there. */
export const memoryView: Projection = {
  name: MEMORY_VIEW,
  events: ['memory.remembered.v1', 'memory.forgotten.v1'],
  async apply(events, manager) {
    for (const { event, position } of events) await write(event, position, manager);
  },
  async reset(partition, manager) {
    await manager.query('DELETE FROM memory WHERE partition = $1', [partition]);
  },
};

async function write(event: LedgerEvent, position: Position, manager: EntityManager): Promise<void> {
  const { type, data } = event as unknown as MemoryEvent;
  if (type === 'memory.forgotten.v1') {
    // The row stays without its text, so that its scope still decides who may ask about it.
    await manager.query(
      `UPDATE memory SET text = '', attributes = '{}', forgotten = true WHERE tenant = $1 AND id = $2`,
      [event.tenant, event.subject],
    );
    return;
  }
  await manager.query(
    `INSERT INTO memory (tenant, id, scope, text, attributes, agent, run, created, partition)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
    [
      event.tenant,
      event.subject,
      storable(data.scope),
      storable(data.text),
      storableJson(data.attributes),
      event.actor.principal,
      data.run ?? event.actor.run ?? null,
      event.time,
      position.partition,
    ],
  );
}

/** Similarity from which two words are alike. PostgreSQL's own 0.6 misses one wrong letter among ten. */
const ALIKE = 0.45;
const COLUMNS = 'id, scope, text, attributes, agent, run, created';

/** What PostgreSQL says of a statement that took too long. */
const QUERY_CANCELLED = '57014';

/** Reads of the view. Every one names the tenant. */
export class MemoryQueries {
  /** @param searchMs how long a search may take: a scope of large texts and a long question would keep the database from everybody else */
  constructor(
    private readonly dataSource: DataSource,
    private readonly searchMs = 5_000,
  ) {}

  /**
   * Items of one scope that share words with the query or look like it, best first: full text rank plus trigram similarity.
   * @throws DomainError `memory.search_too_long`
   */
  async search(tenant: string, scope: string, query: string, limit: number): Promise<MemoryRow[]> {
    try {
      return await this.searchBounded(tenant, scope, query, limit);
    } catch (error) {
      if ((error as { code?: string }).code !== QUERY_CANCELLED) throw error;
      throw refuse('memory.search_too_long', `${scope} was not searched within ${this.searchMs} ms`, { scope });
    }
  }

  private searchBounded(tenant: string, scope: string, query: string, limit: number): Promise<MemoryRow[]> {
    return readTenant(this.dataSource, tenant, async (manager) => {
      await manager.query(`SELECT set_config('statement_timeout', $1, true)`, [String(this.searchMs)]);
      // What the operator `<%` takes for alike; it is the operator that the index of trigrams serves.
      await manager.query(`SELECT set_config('pg_trgm.word_similarity_threshold', $1, true)`, [String(ALIKE)]);
      return manager.query(
        `SELECT ${COLUMNS}, coalesce(ts_rank(words, asked), 0) + public.word_similarity($3, text) AS score
         FROM memory, (SELECT to_tsquery('simple', string_agg(quote_literal(lexeme), ' | ')) AS asked
                       FROM unnest(to_tsvector('simple', $3))) AS query
         WHERE tenant = $1 AND scope = $2 AND NOT forgotten AND (words @@ asked OR $3 OPERATOR(public.<%) text)
         ORDER BY score DESC, id LIMIT $4`,
        [tenant, scope, query, limit],
      );
    });
  }

  /** Items of one scope, newest first, behind `before` (an id). */
  list(tenant: string, scope: string, limit: number, before?: string): Promise<MemoryRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM memory
       WHERE tenant = $1 AND scope = $2 AND NOT forgotten AND ($4::text IS NULL OR (created, id) < (SELECT created, id FROM memory WHERE tenant = $1 AND id = $4))
       ORDER BY created DESC, id DESC LIMIT $3`,
        [tenant, scope, limit, before ?? null],
      ),
    );
  }

  /** Items by their ids, those that are still there. */
  byIds(tenant: string, ids: readonly string[]): Promise<MemoryRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM memory WHERE tenant = $1 AND id = ANY($2) AND NOT forgotten ORDER BY array_position($2, id)`,
        [tenant, ids],
      ),
    );
  }

  /** The scope of an item, for the decision whether it may be forgotten. */
  async scopeOf(tenant: string, id: string): Promise<string | undefined> {
    const rows: { scope: string }[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('SELECT scope FROM memory WHERE tenant = $1 AND id = $2', [tenant, id]),
    );
    return rows[0]?.scope;
  }
}
