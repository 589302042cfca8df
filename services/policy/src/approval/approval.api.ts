import { Inject } from '@nestjs/common';
import { fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { durationMs, timestampFromDate, ValueSchema, type Duration } from '@bufbuild/protobuf/wkt';
import { ApiService, holds, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import type { ApprovalCommand, DecideApproval, Enforcement } from '@writ/enforcement';
import type { Ledger } from '@writ/ledger';
import { formatPosition, refuse, type Json } from '@writ/ledger/domain';
import { ENFORCEMENT, LEDGER } from '@writ/platform';
import {
  ApprovalService,
  type DecideApprovalRequest,
  type DelegateApprovalRequest,
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

  async listApprovals(request: ListApprovalsRequest, caller: Caller) {
    const { tenant, signal } = caller;
    await this.views.upTo(APPROVAL_VIEW, request.after);
    const deadline = Date.now() + waitMsOf(request.wait);
    for (;;) {
      // The wait begins before the view is read, or what arrives in between would be missed.
      const abort = new AbortController();
      const waitMs = Math.max(0, deadline - Date.now());
      const arrived = this.approvals.ends.arrival(tenant, waitMs, AbortSignal.any([signal, abort.signal]));
      try {
        const page = await this.page(request, caller);
        if (page.approvals.length > 0 || waitMs === 0) return page;
        const position = await arrived;
        if (position === undefined) return page;
        await this.views.upTo(APPROVAL_VIEW, position);
      } finally {
        abort.abort();
      }
    }
  }

  private async page({ pageSize, pageToken, ...wanted }: ListApprovalsRequest, caller: Caller) {
    const { state, run, agent, kind, approver } = wanted;
    const size = pageSize || PAGE_SIZE;
    const mine = wanted.mine
      ? [caller.principal, ...(await this.groupsOf(caller)).map((group) => `group:${group}`)]
      : undefined;
    const filter = { state: state || 'requested', run, agent, kind, approver, ...(mine && { mine }) };
    const rows = await this.approvals.queries.list(caller.tenant, filter, size, pageToken);
    const seen = rows.filter(({ id }) => holds(caller, wanted.mine ? 'approval.decide' : 'approval.read', id));
    return { approvals: seen.map(messageOf), nextPageToken: rows.length === size ? (rows.at(-1)?.id ?? '') : '' };
  }

  async getApproval({ id, wait }: GetApprovalRequest, caller: Caller) {
    const { tenant, signal } = caller;
    mustHold(caller, 'approval.read', id);
    const waitMs = waitMsOf(wait);
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
    return this.change(caller, id, {
      type: 'decide',
      verdict: request.verdict === 'approve' ? 'approve' : 'deny',
      ...(await this.entitlement(caller)),
      ...(reason === '' ? {} : { reason }),
      ...(value === undefined ? {} : { value: toJson(ValueSchema, value) as Json }),
      ...(argumentsDigest === '' ? {} : { argumentsDigest }),
    });
  }

  async delegateApproval({ id, to, reason }: DelegateApprovalRequest, caller: Caller) {
    const who = await this.entitlement(caller);
    return this.change(caller, id, { type: 'delegate', ...who, to, ...(reason === '' ? {} : { reason }) });
  }

  /** Who it is that decides, and by which right. */
  private async entitlement(caller: Caller): Promise<Pick<DecideApproval, 'by' | 'grant'>> {
    const { principal, kind, grant } = caller;
    return {
      by: { principal, kind, groups: await this.groupsOf(caller) },
      grant: grant.filter(({ actions }) =>
        actions.some((action) => 'approval.decide'.startsWith(action.replace(/\*$/, ''))),
      ),
    };
  }

  private groupsOf(caller: Caller): Promise<readonly string[]> {
    return this.enforcement.groupsOf(caller);
  }

  private async change({ tenant, actor, trace }: Caller, id: string, command: ApprovalCommand) {
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

function waitMsOf(wait: Duration | undefined): number {
  return wait === undefined ? 0 : Math.min(LONGEST_WAIT_MS, Math.max(0, durationMs(wait)));
}

function messageOf(row: ApprovalRow) {
  const { created, expires, decided, detail, value, schema, reminded, handOvers, ...rest } = row;
  return {
    ...rest,
    detail: fromJson(ValueSchema, detail as JsonValue),
    createTime: timestampFromDate(created),
    expireTime: timestampFromDate(expires),
    ...(decided === null ? {} : { decideTime: timestampFromDate(decided) }),
    ...(value === null ? {} : { value: fromJson(ValueSchema, value as JsonValue) }),
    ...(schema === null ? {} : { schema: fromJson(ValueSchema, schema as JsonValue) }),
    ...(reminded === null ? {} : { remindTime: timestampFromDate(reminded) }),
    handOvers: handOvers.map(({ time, by, to, reason }) => ({
      time: timestampFromDate(new Date(time)),
      by,
      to: [...to],
      reason,
    })),
  };
}
