import type { Projection } from '@writ/ledger';
import type { Json, LedgerEvent } from '@writ/ledger/domain';
import { readTenant, storable } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { ApprovalEvent } from './approval.events.js';

/** Name of the projection, for `Host.waitFor`. */
export const APPROVAL_VIEW = 'approval';

export interface ApprovalRow {
  readonly id: string;
  readonly state: 'requested' | 'approved' | 'denied' | 'expired' | 'consumed';
  readonly kind: string;
  readonly title: string;
  readonly detail: Json;
  readonly argumentsDigest: string;
  readonly policyVersion: string;
  readonly agent: string;
  readonly run: string;
  readonly approvers: string[];
  readonly created: Date;
  readonly expires: Date;
  readonly decidedBy: string;
  readonly decided: Date | null;
  readonly reason: string;
  readonly value: Json;
}

export const approvalView: Projection = {
  name: APPROVAL_VIEW,
  events: ['approval.requested.v1', 'approval.decided.v1', 'approval.consumed.v1', 'approval.expired.v1'],
  async apply(events, manager) {
    for (const { event } of events) await write(event, manager);
  },
  async reset(_partition, manager) {
    await manager.query('TRUNCATE approval');
  },
};

async function write(event: LedgerEvent, manager: EntityManager): Promise<void> {
  const { tenant, subject, time } = event;
  const { type, data } = event as unknown as ApprovalEvent;
  const set = (state: string) =>
    manager.query('UPDATE approval SET state = $3 WHERE tenant = $1 AND id = $2', [tenant, subject, state]);
  switch (type) {
    case 'approval.requested.v1':
      await manager.query(
        `INSERT INTO approval (tenant, id, state, kind, title, detail, arguments_digest, policy_version, agent, run, approvers, created, expires, decided_by, reason)
         VALUES ($1, $2, 'requested', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', '') ON CONFLICT DO NOTHING`,
        [
          tenant, subject, data.kind, storable(data.title), JSON.stringify(data.detail), data.argumentsDigest ?? '', data.policyVersion ?? '',
          data.agent, data.run ?? '', data.approvers.map(storable), time, data.expires,
        ], // prettier-ignore
      );
      return;
    case 'approval.decided.v1':
      await manager.query(
        `UPDATE approval SET state = $3, decided_by = $4, decided = $5, reason = $6, value = $7
         WHERE tenant = $1 AND id = $2 AND state = 'requested'`,
        [
          tenant, subject, data.verdict === 'approve' ? 'approved' : 'denied', data.by, time, storable(data.reason ?? ''),
          data.value === undefined ? null : JSON.stringify(data.value),
        ], // prettier-ignore
      );
      return;
    case 'approval.consumed.v1':
      await set('consumed');
      return;
    case 'approval.expired.v1':
      await set('expired');
      return;
  }
}

const COLUMNS = `id, state, kind, title, detail, arguments_digest AS "argumentsDigest", policy_version AS "policyVersion", agent, run, approvers,
  created, expires, decided_by AS "decidedBy", decided, reason, value`;

/** Reads of the view. Every one names the tenant. */
export class ApprovalQueries {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<ApprovalRow | undefined> {
    const rows: ApprovalRow[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM approval WHERE tenant = $1 AND id = $2`, [tenant, id]),
    );
    return rows[0];
  }

  /** Of one state, and of one run where it is not empty; the oldest first, because it has waited longest. Behind `after` (an id). */
  list(tenant: string, filter: { state: string; run: string }, limit: number, after: string): Promise<ApprovalRow[]> {
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM approval
       WHERE tenant = $1 AND state = $2 AND ($3 = '' OR run = $3)
         AND ($4 = '' OR (created, id) > (SELECT created, id FROM approval WHERE tenant = $1 AND id = $4))
       ORDER BY created, id LIMIT $5`,
        [tenant, filter.state, filter.run, after, limit],
      ),
    );
  }
}
