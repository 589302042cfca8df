import { Inject } from '@nestjs/common';
import { fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { durationMs, timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import { ApiService, holds, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import type { DecideApproval, Enforcement } from '@writ/enforcement';
import type { Ledger } from '@writ/ledger';
import { formatPosition, refuse, type Json } from '@writ/ledger/domain';
import { ENFORCEMENT, LEDGER } from '@writ/platform';
import {
  ApprovalService,
  type DecideApprovalRequest,
  type GetApprovalRequest,
  type ListApprovalsRequest,
} from '@writ/proto/policy/v1/policy';
import { Views } from '../views.js';
import { APPROVAL_VIEW, type ApprovalRow } from './approval.view.js';
import { Approvals } from './approvals.js';

const PAGE_SIZE = 50;
const LONGEST_WAIT_MS = 60_000;

/** Implements `writ.policy.v1.ApprovalService`. */
@ApiService(ApprovalService)
export class ApprovalApi implements ServiceImplementation<typeof ApprovalService> {
  constructor(
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(ENFORCEMENT) private readonly enforcement: Enforcement,
    @Inject(Approvals) private readonly approvals: Approvals,
    @Inject(Views) private readonly views: Views,
  ) {}

  async listApprovals({ state, run, pageSize, pageToken, after }: ListApprovalsRequest, caller: Caller) {
    const { tenant } = caller;
    await this.views.upTo(APPROVAL_VIEW, after);
    const size = pageSize || PAGE_SIZE;
    const rows = await this.approvals.queries.list(tenant, { state: state || 'requested', run }, size, pageToken);
    const seen = rows.filter(({ id }) => holds(caller, 'approval.read', id));
    return { approvals: seen.map(messageOf), nextPageToken: rows.length === size ? (rows.at(-1)?.id ?? '') : '' };
  }

  async getApproval({ id, wait }: GetApprovalRequest, caller: Caller) {
    const { tenant, signal } = caller;
    mustHold(caller, 'approval.read', id);
    const waitMs = wait === undefined ? 0 : Math.min(LONGEST_WAIT_MS, Math.max(0, durationMs(wait)));
    // The wait begins before the view is read, or an end in between would be missed.
    const abort = new AbortController();
    const ended = this.approvals.ends.end(tenant, id, waitMs, AbortSignal.any([signal, abort.signal]));
    try {
      const row = await this.find(tenant, id);
      if (row.state !== 'requested' || waitMs === 0) return { approval: messageOf(row) };
      const position = await ended;
      if (position !== undefined) await this.views.upTo(APPROVAL_VIEW, position);
      return { approval: messageOf(await this.find(tenant, id)) };
    } finally {
      abort.abort();
    }
  }

  async decideApproval(request: DecideApprovalRequest, caller: Caller) {
    const { id, reason, value, argumentsDigest } = request;
    const { tenant, principal, kind, actor, trace, grant } = caller;
    const command: DecideApproval = {
      type: 'decide',
      verdict: request.verdict === 'approve' ? 'approve' : 'deny',
      by: { principal, kind, groups: await this.enforcement.groupsOf(caller) },
      grant: grant.filter(({ actions }) =>
        actions.some((action) => 'approval.decide'.startsWith(action.replace(/\*$/, ''))),
      ),
      ...(reason === '' ? {} : { reason }),
      ...(value === undefined ? {} : { value: toJson(ValueSchema, value) as Json }),
      ...(argumentsDigest === '' ? {} : { argumentsDigest }),
    };
    const { position } = await this.ledger
      .commands('policy')
      .send({ tenant, aggregate: 'approval', subject: id, command, actor, ...(trace === undefined ? {} : { trace }) });
    await this.views.upTo(APPROVAL_VIEW, position);
    return { approval: messageOf(await this.find(tenant, id)), position };
  }

  /** Someone who just learned the id from another service must not be told that it does not exist. */
  private async find(tenant: string, id: string): Promise<ApprovalRow> {
    const { queries } = this.approvals;
    const row = await queries.find(tenant, id);
    if (row !== undefined) return row;
    const commit = await this.ledger.last('policy', 0);
    if (commit > 0)
      await this.views.upTo(APPROVAL_VIEW, formatPosition({ service: 'policy', partition: 0, commit, index: 0 }));
    const late = await queries.find(tenant, id);
    if (late === undefined) throw refuse('approval.not_found', `there is no approval ${id}`);
    return late;
  }
}

function messageOf(row: ApprovalRow) {
  const { created, expires, decided, detail, value, ...rest } = row;
  return {
    ...rest,
    detail: fromJson(ValueSchema, detail as JsonValue),
    createTime: timestampFromDate(created),
    expireTime: timestampFromDate(expires),
    ...(decided === null ? {} : { decideTime: timestampFromDate(decided) }),
    ...(value === null ? {} : { value: fromJson(ValueSchema, value as JsonValue) }),
  };
}
