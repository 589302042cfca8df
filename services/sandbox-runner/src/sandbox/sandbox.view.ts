import type { Projection } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { readAllTenants, readTenant } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { SandboxEvent, SandboxLimits } from './sandbox.events.js';

/** Name of the projection, for `Host.waitFor`. */
export const SANDBOX_VIEW = 'sandbox';

export interface SandboxRow {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly state: 'starting' | 'running' | 'stopped';
  readonly reason: string;
  readonly tier: string;
  readonly layers: readonly string[];
  readonly artifact: string | null;
  readonly commit: string | null;
  readonly limits: SandboxLimits;
  readonly runner: string;
  readonly agent: string;
  readonly run: string | null;
  readonly created: Date;
  readonly expires: Date;
}

/** Keeps a row for every sandbox that ever was. */
export const sandboxView: Projection = {
  name: SANDBOX_VIEW,
  events: ['sandbox.requested.v1', 'sandbox.started.v1', 'sandbox.stopped.v1'],
  async apply(events, manager) {
    for (const { event } of events) await write(event, manager);
  },
  async reset(_partition, manager) {
    await manager.query('TRUNCATE sandbox');
  },
};

async function write({ tenant, subject, time, ...event }: LedgerEvent, manager: EntityManager): Promise<void> {
  const { type, data } = event as unknown as SandboxEvent;
  switch (type) {
    case 'sandbox.requested.v1':
      await manager.query(
        `INSERT INTO sandbox (tenant, id, name, state, tier, artifact, commit, limits, runner, agent, run, created, expires)
         VALUES ($1, $2, $3, 'starting', $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
        [
          tenant, subject, text(data.name), data.tier, data.artifact ?? null, data.commit ?? null, JSON.stringify(data.limits), data.runner,
          data.agent, data.run ?? null, time, data.expires,
        ], // prettier-ignore
      );
      return;
    case 'sandbox.started.v1':
      await manager.query(
        `UPDATE sandbox SET state = 'running', layers = $3 WHERE tenant = $1 AND id = $2 AND state = 'starting'`,
        [tenant, subject, data.layers],
      );
      return;
    case 'sandbox.stopped.v1':
      await manager.query(`UPDATE sandbox SET state = 'stopped', reason = $3 WHERE tenant = $1 AND id = $2`, [
        tenant,
        subject,
        data.reason,
      ]);
      return;
    case 'sandbox.command_ended.v1':
  }
}

/** PostgreSQL's text cannot hold NUL, and one row that cannot be written would stop the view. */
export const text = (value: string): string => value.replaceAll('\u0000', '\ufffd').toWellFormed();

const COLUMNS =
  'tenant, id, name, state, reason, tier, layers, artifact, commit, limits, runner, agent, run, created, expires';

/** Reads of the view. */
export class SandboxQueries {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<SandboxRow | undefined> {
    const rows: SandboxRow[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM sandbox WHERE tenant = $1 AND id = $2`, [tenant, id]),
    );
    return rows[0];
  }

  /** Newest first, behind `before` (an id, which grows with time). */
  list(
    tenant: string,
    filter: { state?: string; run?: string; before?: string; limit: number },
  ): Promise<SandboxRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM sandbox
       WHERE tenant = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR run = $3) AND ($4::text IS NULL OR id < $4)
       ORDER BY id DESC LIMIT $5`,
        [tenant, filter.state ?? null, filter.run ?? null, filter.before ?? null, filter.limit],
      ),
    );
  }

  /** What a runner had not stopped, of every tenant. */
  alive(runner: string): Promise<SandboxRow[]> {
    return readAllTenants(this.dataSource, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM sandbox WHERE runner = $1 AND state <> 'stopped'`, [runner]),
    );
  }
}
