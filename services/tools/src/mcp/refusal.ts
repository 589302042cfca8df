import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { failureOf } from '@writ/api';
import type { Performed } from '@writ/enforcement';
import { DomainError } from '@writ/ledger/domain';

/** What did not happen, for a model to read. */
export interface Refusal extends Record<string, string> {
  text: string;
}

/** Why an action was not done, or nobody knows. */
export function refusalText(performed: Exclude<Performed<unknown>, { outcome: 'done' | 'replayed' }>): Refusal {
  const why = performed.decision.reasons.map(({ text }) => text).join('; ');
  switch (performed.outcome) {
    case 'denied':
      return { text: `Denied by policy: ${why}`, 'writ/code': 'policy.denied' };
    case 'ask':
      return {
        text: `A person must approve this call first (${why}). It waits as ${performed.approvalId}; repeat it, unchanged, once it is approved.`,
        'writ/code': 'policy.approval_required',
        'writ/approval': performed.approvalId,
      };
    case 'unknown':
      return {
        text: `Nobody can say whether this happened: ${performed.reason}`,
        'writ/code': 'action.outcome_unknown',
      };
  }
}

/** Of an error that a model may read. @throws what it may not, and what the client's own software has to mend */
export function asksClient(error: unknown): Refusal {
  if (error instanceof ProtocolError || !(error instanceof DomainError)) throw error;
  const rpc = rpcOf(error);
  if (rpc?.code === ProtocolErrorCode.MissingRequiredClientCapability) throw rpc;
  const { code, detail, bug } = failureOf(error);
  if (bug !== undefined) throw error;
  return { text: `Refused (${code}): ${detail}`, 'writ/code': code };
}

/** Where there is no result that could say it: an error of JSON-RPC, the server's own where it gave one. */
export function protocolError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  const { code, detail, bug } = failureOf(error);
  if (bug !== undefined) return error;
  return rpcOf(error) ?? new ProtocolError(REFUSED, `Refused (${code}): ${detail}`, { 'writ/code': code });
}

/** JSON-RPC leaves -32000 to -32099 to servers; MCP uses those from -32020 on. */
export const REFUSED = -32_000;

function rpcOf({ details }: DomainError): ProtocolError | undefined {
  const { rpc } = (details ?? {}) as { rpc?: { code: number; message: string; data?: unknown } };
  return rpc === undefined ? undefined : ProtocolError.fromError(rpc.code, rpc.message, rpc.data);
}
