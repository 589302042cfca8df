import type { Projection } from '@writ/ledger';
import type { LedgerEvent, Position } from '@writ/ledger/domain';
import { readTenant } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { ServerEvent, ServerSpec, ToolDefinition } from './server.events.js';

/** Name of the projection, for `Host.waitFor`. */
export const TOOLS_VIEW = 'tools';

export interface ServerRow {
  readonly name: string;
  readonly spec: ServerSpec;
  readonly tools: number;
}

export interface ToolRow {
  readonly server: string;
  readonly name: string;
  readonly seen: ToolDefinition | null;
  readonly approved: ToolDefinition | null;
}

/** Keeps the rows of servers and tools. */
export const toolsView: Projection = {
  name: TOOLS_VIEW,
  events: ['server.added.v1', 'server.removed.v1', 'tool.discovered.v1', 'tool.vanished.v1', 'tool.approved.v1'],
  async apply(events, manager) {
    for (const { event, position } of events) await write(event, position, manager);
  },
  async reset(partition, manager) {
    await manager.query('DELETE FROM tool_server WHERE partition = $1', [partition]);
  },
};

async function write(event: LedgerEvent, { partition }: Position, manager: EntityManager): Promise<void> {
  const { tenant, subject } = event;
  const { type, data } = event as unknown as ServerEvent;
  switch (type) {
    case 'server.added.v1':
      await manager.query(
        `INSERT INTO tool_server (tenant, name, spec, partition) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, name) DO UPDATE SET spec = excluded.spec`,
        [tenant, subject, data.spec, partition],
      );
      return;
    case 'server.removed.v1':
      await manager.query('DELETE FROM tool_server WHERE tenant = $1 AND name = $2', [tenant, subject]);
      return;
    case 'tool.vanished.v1':
      await manager.query('UPDATE tool SET seen = NULL WHERE tenant = $1 AND server = $2 AND name = $3', [
        tenant,
        subject,
        data.tool,
      ]);
      return;
    case 'tool.discovered.v1':
      await manager.query(
        `INSERT INTO tool (tenant, server, name, seen) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, server, name) DO UPDATE SET seen = excluded.seen`,
        [tenant, subject, data.definition.name, data.definition],
      );
      return;
    case 'tool.approved.v1':
      await manager.query(
        `INSERT INTO tool (tenant, server, name, seen, approved) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (tenant, server, name) DO UPDATE SET seen = excluded.seen, approved = excluded.approved`,
        [tenant, subject, data.definition.name, data.definition],
      );
  }
}

/** Reads of the view. Every one names the tenant. */
export class ToolQueries {
  constructor(private readonly dataSource: DataSource) {}

  servers(tenant: string): Promise<ServerRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT name, spec, (SELECT count(*)::int FROM tool WHERE tool.tenant = s.tenant AND tool.server = s.name) AS tools
       FROM tool_server s WHERE tenant = $1 ORDER BY name`,
        [tenant],
      ),
    );
  }

  /** How one server is reached. */
  async server(tenant: string, name: string): Promise<ServerSpec | undefined> {
    const rows: { spec: ServerSpec }[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('SELECT spec FROM tool_server WHERE tenant = $1 AND name = $2', [tenant, name]),
    );
    return rows[0]?.spec;
  }

  tools(tenant: string, server?: string): Promise<ToolRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        'SELECT server, name, seen, approved FROM tool WHERE tenant = $1 AND ($2::text IS NULL OR server = $2) ORDER BY server, name',
        [tenant, server ?? null],
      ),
    );
  }

  /** One tool, and how its server is reached. */
  async tool(tenant: string, server: string, name: string): Promise<(ToolRow & { spec: ServerSpec }) | undefined> {
    const rows: (ToolRow & { spec: ServerSpec })[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT t.server, t.name, t.seen, t.approved, s.spec
       FROM tool t JOIN tool_server s ON s.tenant = t.tenant AND s.name = t.server
       WHERE t.tenant = $1 AND t.server = $2 AND t.name = $3`,
        [tenant, server, name],
      ),
    );
    return rows[0];
  }
}
