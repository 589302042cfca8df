import { Inject } from '@nestjs/common';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ApiService, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import {
  checkPolicies,
  resourceTypes,
  type Enforcement,
  type PolicyRequest,
  type PrincipalType,
  type ResourceType,
} from '@writ/enforcement';
import { Evaluator } from '@writ/enforcement/cedar';
import type { Ledger } from '@writ/ledger';
import { refuse, type Json } from '@writ/ledger/domain';
import { ENFORCEMENT, LEDGER } from '@writ/platform';
import {
  PolicyMode,
  PolicyService,
  type CheckDecisionRequest,
  type GetPolicySetRequest,
  type ListPolicyVersionsRequest,
  type PushPolicySetRequest,
} from '@writ/proto/policy/v1/policy';
import { Views } from '../views.js';
import { versionOf, type PushPolicies } from './policy-set.js';
import { POLICY_SET_VIEW, PolicySetQueries } from './policy-set.view.js';

const PAGE_SIZE = 50;
/** A tenant has one set, so a grant that names resources of policies covers nothing here. */
const theSet = '';

/** Implements `writ.policy.v1.PolicyService`; paths, validation and required capabilities stand in the proto. */
@ApiService(PolicyService)
export class PolicySetApi implements ServiceImplementation<typeof PolicyService> {
  constructor(
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(ENFORCEMENT) private readonly enforcement: Enforcement,
    @Inject(PolicySetQueries) private readonly queries: PolicySetQueries,
    @Inject(Views) private readonly views: Views,
  ) {}

  async pushPolicySet({ files, mode, validateOnly, expectedVersion }: PushPolicySetRequest, caller: Caller) {
    mustHold(caller, 'policy.write', theSet);
    const given = files.map(({ name, text }) => ({ name, text }));
    const version = versionOf(given);
    const { policies, findings } = checkPolicies(given, this.enforcement.policies.tools(caller.tenant));
    const answer = { version, findings: [...findings], policies: policies.length };
    if (validateOnly) return { ...answer, position: '' };
    const command: PushPolicies = {
      type: 'push',
      files: given,
      mode: mode === PolicyMode.LOG_ONLY ? 'log-only' : 'enforce',
      ...(expectedVersion === '' ? {} : { expectedVersion }),
    };
    const { tenant, actor, trace } = caller;
    const { position } = await this.ledger.commands('policy').send({
      tenant,
      aggregate: 'policy_set',
      subject: tenant,
      command,
      actor,
      ...(trace === undefined ? {} : { trace }),
    });
    return { ...answer, position };
  }

  async getPolicySet({ version }: GetPolicySetRequest, caller: Caller) {
    const { tenant } = caller;
    mustHold(caller, 'policy.read', theSet);
    const found = await this.queries.activation(tenant, version);
    if (found === undefined && version === '') return { version: '', files: [], mode: PolicyMode.UNSPECIFIED };
    if (found === undefined) throw refuse('policy.version_not_found', `there is no version ${version}`);
    return {
      version: found.version,
      files: [...(await this.queries.files(tenant, found.version))],
      mode: modeOf(found.mode),
      activateTime: timestampFromDate(found.activated),
    };
  }

  async listPolicyVersions({ pageSize, pageToken, after }: ListPolicyVersionsRequest, caller: Caller) {
    const { tenant } = caller;
    mustHold(caller, 'policy.read', theSet);
    await this.views.upTo(POLICY_SET_VIEW, after);
    const size = pageSize || PAGE_SIZE;
    const before = pageToken === '' ? Number.MAX_SAFE_INTEGER : Number(pageToken);
    if (!Number.isSafeInteger(before)) throw refuse('request.invalid', 'page_token is not one that was given out');
    const rows = await this.queries.list(tenant, size, before);
    return {
      versions: rows.map(({ version, mode, by, policies, activated }) => ({
        version,
        mode: modeOf(mode),
        by,
        policies,
        activateTime: timestampFromDate(activated),
      })),
      nextPageToken: rows.length === size ? String(rows.at(-1)?.commit ?? '') : '',
    };
  }

  async checkDecision(request: CheckDecisionRequest, caller: Caller) {
    const { tenant } = caller;
    mustHold(caller, 'policy.read', theSet);
    const asked = requestOf(request, tenant);
    const draft = request.draft.map(({ name, text }) => ({ name, text }));
    if (draft.length === 0) {
      const { verdict, version } = this.enforcement.policies.decide(tenant, asked);
      return { outcome: verdict.outcome, reasons: [...verdict.reasons], version };
    }
    const version = versionOf(draft);
    const tools = this.enforcement.policies.tools(tenant);
    const { policies, findings, ok } = checkPolicies(draft, tools);
    if (!ok) throw refuse('policy.invalid', 'the draft is not valid', { findings: findings as unknown as Json });
    using evaluator = new Evaluator(policies, tools);
    const { outcome, reasons } = evaluator.decide(asked);
    return { outcome, reasons: [...reasons], version };
  }
}

function requestOf(
  { principal, action, resourceType, resource, arguments: args }: CheckDecisionRequest,
  tenant: string,
): PolicyRequest {
  if (!isResourceType(resourceType))
    throw refuse('request.invalid', `resource_type is one of ${resourceTypes.join(', ')}`);
  return {
    principal: { type: principalTypeOf(principal), id: principal, tenant, depth: 0 },
    action,
    resource: { type: resourceType, id: resource },
    arguments: (args ?? {}) as Json,
  };
}

function isResourceType(type: string): type is ResourceType {
  return (resourceTypes as readonly string[]).includes(type);
}

function principalTypeOf(id: string): PrincipalType {
  if (id.startsWith('agt_')) return 'Agent';
  return id.startsWith('psn_') ? 'Person' : 'Operator';
}

function modeOf(mode: 'enforce' | 'log-only'): PolicyMode {
  return mode === 'enforce' ? PolicyMode.ENFORCE : PolicyMode.LOG_ONLY;
}
