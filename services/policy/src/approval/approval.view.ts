import type { Projection } from '@writ/ledger';
import type { Json, LedgerEvent } from '@writ/ledger/domain';
import { readTenant, storable, storableJson } from '@writ/platform';
import type { DataSource, EntityManager } from 'typeorm';
import type { ApprovalEvent } from './approval.events.js';
import { approval } from './approval.js';

/** Name of the projection, for `Host.waitFor`. */
export const APPROVAL_VIEW = 'approval';

export interface ApprovalRow {
  readonly id: string;
  readonly state: 'requested' | 'approved' | 'denied' | 'expired' | 'consumed' | 'withdrawn';
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
  readonly schema: Json;
  readonly reminded: Date | null;
  readonly handOvers: readonly HandOver[];
}

/** As it stands in the table: a delegation, or an escalation, which nobody did. */
export interface HandOver {
  readonly time: string;
  readonly by: string;
  readonly to: readonly string[];
  readonly reason: string;
}

/** Which approvals. What is empty or absent does not matter. */
export interface ApprovalFilter {
  readonly state: string;
  readonly run: string;
  readonly agent: string;
  readonly kind: string;
  readonly approver: string;
  /** Names of a person and of their groups: what names one of them, or nobody. */
  readonly mine?: readonly string[];
}

export const approvalView: Projection = {
  name: APPROVAL_VIEW,
  events: [...approval.events],
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
  const handOver = async (step: HandOver, approvers: readonly string[]): Promise<void> => {
    await manager.query(
      'UPDATE approval SET approvers = $3, hand_overs = hand_overs || $4::jsonb WHERE tenant = $1 AND id = $2',
      [tenant, subject, approvers.map(storable), storableJson([step])],
    );
  };
  switch (type) {
    case 'approval.requested.v1':
      await manager.query(
        `INSERT INTO approval (tenant, id, state, kind, title, detail, arguments_digest, policy_version, agent, run, approvers, created, expires, decided_by, reason, schema)
         VALUES ($1, $2, 'requested', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', '', $13) ON CONFLICT DO NOTHING`,
        [
          tenant, subject, data.kind, storable(data.title), JSON.stringify(data.detail), data.argumentsDigest ?? '', data.policyVersion ?? '',
          data.agent, data.run ?? '', data.approvers.map(storable), time, data.expires,
          data.schema === undefined ? null : JSON.stringify(data.schema),
        ], // prettier-ignore
      );
      return;
    case 'approval.reminded.v1':
      await manager.query('UPDATE approval SET reminded = $3 WHERE tenant = $1 AND id = $2', [tenant, subject, time]);
      return;
    case 'approval.escalated.v1':
      return handOver({ time, by: '', to: data.to, reason: '' }, data.approvers);
    case 'approval.delegated.v1':
      return handOver({ time, by: data.by, to: [data.to], reason: data.reason ?? '' }, data.approvers);
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
    case 'approval.withdrawn.v1':
      await manager.query(
        `UPDATE approval SET state = 'withdrawn', reason = $3 WHERE tenant = $1 AND id = $2 AND state = 'requested'`,
        [tenant, subject, storable(data.reason)],
      );
      return;
  }
}

const COLUMNS = `id, state, kind, title, detail, arguments_digest AS "argumentsDigest", policy_version AS "policyVersion", agent, run, approvers,
  created, expires, decided_by AS "decidedBy", decided, reason, value, schema, reminded, hand_overs AS "handOvers"`;

/** Reads of the view. Every one names the tenant. */
export class ApprovalQueries {
  constructor(private readonly dataSource: DataSource) {}

  async find(tenant: string, id: string): Promise<ApprovalRow | undefined> {
    const rows: ApprovalRow[] = await readTenant(this.dataSource, tenant, (manager) =>
      manager.query(`SELECT ${COLUMNS} FROM approval WHERE tenant = $1 AND id = $2`, [tenant, id]),
    );
    return rows[0];
  }

  /** The oldest first, because it has waited longest. Behind `after` (an id). */
  list(tenant: string, filter: ApprovalFilter, limit: number, after: string): Promise<ApprovalRow[]> {
    const { state, run, agent, kind, approver, mine } = filter;
    return readTenant(this.dataSource, tenant, (manager) =>
      manager.query(
        `SELECT ${COLUMNS} FROM approval
       WHERE tenant = $1 AND state = $2 AND ($3 = '' OR run = $3) AND ($6 = '' OR agent = $6) AND ($7 = '' OR kind = $7)
         AND ($8 = '' OR $8 = ANY(approvers)) AND ($9::text[] IS NULL OR approvers && $9 OR approvers = '{}')
         AND ($4 = '' OR (created, id) > (SELECT created, id FROM approval WHERE tenant = $1 AND id = $4))
       ORDER BY created, id LIMIT $5`,
        [tenant, state, run, after, limit, agent, kind, approver, mine ? [...mine] : null],
      ),
    );
  }
}
