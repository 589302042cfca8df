import type { PolicyFile, PolicyMode, PolicySetEvent } from '@writ/enforcement';
import type { Projection } from '@writ/ledger';
import type { LedgerEvent, Position } from '@writ/ledger/domain';
import { readTenant, storableJson } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';

/** Name of the projection, for `Host.waitFor`. */
export const POLICY_SET_VIEW = 'policy-set';

/** One time that a version became active. */
export interface Activation {
  /** Orders them. */
  readonly commit: number;
  readonly version: string;
  readonly mode: PolicyMode;
  readonly policies: number;
  readonly by: string;
  readonly activated: Date;
}

export const policySetView: Projection = {
  name: POLICY_SET_VIEW,
  events: ['policy_set.pushed.v1', 'policy_set.activated.v1'],
  async apply(events, manager) {
    for (const { event, position } of events) await write(event, position, manager);
  },
  async reset(_partition, manager) {
    await manager.query('TRUNCATE policy_files, policy_activation');
  },
};

async function write(event: LedgerEvent, position: Position, manager: EntityManager): Promise<void> {
  const { type, data } = event as unknown as PolicySetEvent;
  if (type === 'policy_set.pushed.v1') {
    await manager.query(
      'INSERT INTO policy_files (tenant, version, files) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [event.tenant, data.version, storableJson(data.files)],
    );
  }
  if (type === 'policy_set.activated.v1') {
    await manager.query(
      `INSERT INTO policy_activation (tenant, commit, version, mode, policies, by_principal, activated)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
      [event.tenant, position.commit, data.version, data.mode, data.policies, event.actor.principal, event.time],
    );
  }
}

const COLUMNS = 'commit::float8 AS commit, version, mode, policies, by_principal AS by, activated';

/** Reads of the view. Every one names the tenant. */
export class PolicySetQueries {
  constructor(private readonly dataSource: DataSource) {}

  /** The newest activation, or the newest of one version. */
  async activation(tenant: string, version: string): Promise<Activation | undefined> {
    const rows: Activation[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM policy_activation WHERE tenant = $1 AND ($2 = '' OR version = $2) ORDER BY commit DESC LIMIT 1`,
        [tenant, version],
      ),
    );
    return rows[0];
  }

  async files(tenant: string, version: string): Promise<readonly PolicyFile[]> {
    const rows: { files: PolicyFile[] }[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query('SELECT files FROM policy_files WHERE tenant = $1 AND version = $2', [tenant, version]),
    );
    return rows[0]?.files ?? [];
  }

  /** Newest first, older than `before` (a commit). */
  list(tenant: string, limit: number, before: number): Promise<Activation[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM policy_activation WHERE tenant = $1 AND commit < $2 ORDER BY commit DESC LIMIT $3`,
        [tenant, before, limit],
      ),
    );
  }
}
