import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { DeniedError, WritError, type Decision } from '../errors/errors.js';

/** A decision of any service, as the wire has it. */
interface WireDecision {
  readonly id: string;
  readonly outcome: string;
  readonly reasons: readonly { code: string; policy: string; text: string }[];
  readonly approvalId: string;
  readonly expireTime?: Timestamp | undefined;
}

/** What policy decided. */
export function decisionOf(decision: WireDecision | undefined): Decision {
  const { id = '', outcome = 'deny', reasons = [], approvalId = '', expireTime } = decision ?? {};
  return {
    id,
    outcome: outcome === 'allow' || outcome === 'ask' ? outcome : 'deny',
    reasons: reasons.map(({ code, policy, text }) => ({ code, policy, text })),
    ...(approvalId ? { approvalId } : {}),
    ...(expireTime ? { expires: timestampDate(expireTime) } : {}),
  };
}

/** Policy said no to a call. */
export function deniedCall(tool: string, decision: Decision): DeniedError {
  const why =
    decision.reasons.map(({ policy, text, code }) => text || policy || code).join('; ') || 'no policy permits it';
  return new DeniedError(`policy denied '${tool}': ${why}`, { decision });
}

/** It may have happened or not: only a person, or the tool's own records, can tell. */
export function outcomeUnknown(tool: string): WritError {
  return new WritError(`nobody can tell whether '${tool}' happened: it was begun, and did not tell how it ended`, {
    code: 'tool.outcome_unknown',
    hint: 'look in the system that the tool changes before calling it again',
  });
}
