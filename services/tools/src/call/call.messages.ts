import { fromJson, type JsonObject, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import type { Begun, Performed } from '@writ/enforcement';
import type { CallToolResponseSchema, DecisionSchema } from '@writ/proto/tools/v1/tools';
import type { ToolResult } from '../upstream/upstream.js';

/** A decision as the API tells it; with `ask` the approval to wait for. */
export function decisionMessage(performed: Performed<unknown> | Begun): MessageInitShape<typeof DecisionSchema> {
  const { id, outcome, reasons, policyVersion, revocationEpoch } = performed.decision;
  return {
    id,
    outcome,
    reasons: reasons.map(({ code, policy = '', text }) => ({ code, policy, text })),
    policyVersion,
    revocationEpoch: BigInt(revocationEpoch),
    ...(performed.outcome === 'ask' && {
      approvalId: performed.approvalId,
      ...(performed.expires !== undefined && { expireTime: timestampFromDate(new Date(performed.expires)) }),
    }),
  };
}

/** A call as the API answers it. */
export function callMessage(
  performed: Performed<ToolResult>,
  tool: string,
): MessageInitShape<typeof CallToolResponseSchema> {
  const { outcome, position } = performed;
  const about = { decision: decisionMessage(performed), outcome, position };
  if (performed.outcome !== 'done' && performed.outcome !== 'replayed') return about;
  const { content, structuredContent, isError } = performed.value as ToolResult;
  return {
    ...about,
    content: content as JsonObject[],
    ...(structuredContent !== undefined && {
      structuredContent: fromJson(ValueSchema, structuredContent as JsonValue),
    }),
    isError,
    labels: ['untrusted'],
    server: tool.slice(0, Math.max(0, tool.indexOf('/'))),
  };
}
