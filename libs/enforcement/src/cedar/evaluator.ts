import type { Response } from '@cedar-policy/cedar-wasm/nodejs';
import { NotCanonical } from '../canonical-json.js';
import { Answers } from './answers.js';
import type { ArgumentsType } from './argument-type.js';
import { ArgumentMismatch } from './cedar-value.js';
import type { Policy } from './policy.js';
import { cedarRequest, type PolicyRequest } from './request.js';
import { Slices, type Slice } from './slices.js';
import { denied, type Reason, type Verdict } from './verdict.js';

/**
 * Decides under one version of one tenant's policies. Deny by default; forbid before ask before allow; whatever cannot be
 * evaluated denies. Holds memory of the WebAssembly module: dispose of it when a newer version takes its place.
 */
export class Evaluator implements Disposable {
  private readonly slices: Slices;
  private readonly answers = new Answers();

  /** `tools`: the argument types of the tenant's registered tools by `<server>/<tool>`. @throws CedarError for policies that do not parse */
  constructor(policies: readonly Policy[], tools: ReadonlyMap<string, ArgumentsType>) {
    this.slices = new Slices(policies, tools);
  }

  /** `approved`: a person has approved exactly this call. Never throws. */
  decide(request: PolicyRequest, approved = false): Verdict {
    try {
      const slice = this.slices.of(request);
      const response = this.authorize(request, slice, approved);
      return 'outcome' in response ? response : this.verdict(request, slice, response, approved);
    } catch (problem) {
      if (problem instanceof ArgumentMismatch || problem instanceof NotCanonical)
        return denied('policy.arguments_invalid', problem.message);
      return denied(
        'policy.evaluation_failed',
        `the request could not be evaluated: ${problem instanceof Error ? problem.message : String(problem)}`,
      );
    }
  }

  [Symbol.dispose](): void {
    this.slices[Symbol.dispose]();
  }

  private authorize(request: PolicyRequest, slice: Slice, approved: boolean): Response | Verdict {
    const type = slice.argumentsOf(request.arguments);
    // Everything in it has its type by the way it was made, so Cedar is not given a schema to check it by: that doubles the cost.
    const asked = cedarRequest(request, { type, declared: slice.declared, approved });
    const answer = this.answers.of(slice, { ...asked, validateRequest: false });
    if (answer.type === 'success') return answer.response;
    return denied('policy.arguments_invalid', answer.errors.map((error) => error.message).join('; '));
  }

  private verdict(
    request: PolicyRequest,
    slice: Slice,
    { decision, diagnostics }: Response,
    approved: boolean,
  ): Verdict {
    const determining = diagnostics.reason.flatMap((id) => this.slices.policy(id) ?? []);
    const failed = diagnostics.errors.flatMap(({ policyId, error }) => {
      const policy = this.slices.policy(policyId);
      return policy === undefined ? [] : [{ policy, message: error.message }];
    });
    // Cedar skips a policy that fails; for a forbid that would mean: break its condition and you may pass.
    const brokenForbids = failed.filter(({ policy }) => policy.effect === 'forbid');
    const broken = (each: (typeof failed)[number]): Reason => ({
      code: 'policy.evaluation_failed',
      policy: each.policy.id,
      text: each.message,
    });
    if (decision === 'deny' && determining.length > 0) {
      return { outcome: 'deny', reasons: determining.map((policy) => forbidden(policy, request)) };
    }
    if (brokenForbids.length > 0) return { outcome: 'deny', reasons: brokenForbids.map(broken) };
    if (decision === 'deny') return { outcome: 'deny', reasons: [notPermitted(request, slice), ...failed.map(broken)] };
    return permitted(determining, request, approved);
  }
}

function permitted(policies: readonly Policy[], request: PolicyRequest, approved: boolean): Verdict {
  const asking = policies.filter((policy) => policy.ask !== undefined);
  if (asking.length === 0 || approved) {
    const reason = (policy: Policy): Reason => ({
      code: policy.ask === undefined ? 'policy.permitted' : 'policy.approved',
      policy: policy.id,
      text:
        policy.reason ??
        `${policy.id} permits ${spoken(request)}${policy.ask === undefined ? '' : ' with the approval it asks for'}`,
    });
    return { outcome: 'allow', reasons: policies.map(reason) };
  }
  const asks = asking.flatMap((policy) => policy.ask ?? []);
  const [first] = asks;
  const reasons = asking.map((policy): Reason => ({
    code: 'policy.approval_required',
    policy: policy.id,
    text: policy.ask?.title || `${policy.id} wants a person to approve ${spoken(request)}`,
  }));
  return {
    outcome: 'ask',
    reasons,
    ask: {
      title: first?.title || reasons[0]?.text || '',
      // Several policies may ask; the first that names approvers says who, the shortest says how long.
      approvers: asks.find((ask) => ask.approvers.length > 0)?.approvers ?? [],
      expiresMs: Math.min(...asks.map((ask) => ask.expiresMs)),
    },
  };
}

function forbidden(policy: Policy, request: PolicyRequest): Reason {
  return {
    code: 'policy.forbidden',
    policy: policy.id,
    text: policy.reason ?? `${policy.id} forbids ${spoken(request)}`,
  };
}

/** Names the permits that came close: "why not" is the question that a denial raises. */
function notPermitted(request: PolicyRequest, slice: Slice): Reason {
  const near = slice.permits.slice(0, 5).join(', ');
  const conditions =
    near === ''
      ? 'none speaks about it'
      : `the conditions of ${near}${slice.permits.length > 5 ? ', …' : ''} do not hold`;
  return { code: 'policy.not_permitted', policy: '', text: `no policy permits ${spoken(request)}: ${conditions}` };
}

function spoken({ action, resource }: PolicyRequest): string {
  return `${action} on ${resource.type} ${resource.id}`;
}
