import type { Projection } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { readTenant } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import { text } from '../sandbox/sandbox.view.js';
import type { ArtifactImported } from './artifact.events.js';

/** Name of the projection, for `Host.waitFor`. */
export const ARTIFACT_VIEW = 'artifact';

export interface ArtifactRow {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
  readonly created: Date;
}

/** Keeps the newest import of every artifact. */
export const artifactView: Projection = {
  name: ARTIFACT_VIEW,
  events: ['artifact.imported.v1'],
  async apply(events, manager) {
    for (const { event } of events) await write(event, manager);
  },
  async reset(_partition, manager) {
    await manager.query('TRUNCATE artifact');
  },
};

async function write(event: LedgerEvent, manager: EntityManager): Promise<void> {
  const { name, source, commit, files, bytes } = event.data as unknown as ArtifactImported;
  await manager.query(
    `INSERT INTO artifact (tenant, id, name, source, commit, files, bytes, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (tenant, id) DO UPDATE SET name = $3, commit = $5, files = $6, bytes = $7`,
    [event.tenant, event.subject, text(name), text(source), commit, files, bytes, event.time],
  );
}

const COLUMNS = 'id, name, source, commit, files::float8 AS files, bytes::float8 AS bytes, created';

/** Reads of the view. */
export class ArtifactQueries {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<ArtifactRow | undefined> {
    const rows: ArtifactRow[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM artifact WHERE tenant = $1 AND id = $2`, [tenant, id]),
    );
    return rows[0];
  }

  /** By id, behind `after`. */
  list(tenant: string, limit: number, after?: string): Promise<ArtifactRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM artifact WHERE tenant = $1 AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3`,
        [tenant, after ?? null, limit],
      ),
    );
  }
}
