import {
  createRequestStateCodec,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { digestOf } from '@writ/enforcement';
import type { Json } from '@writ/ledger/domain';
import type { Asks } from '../upstream/upstream.js';
import { callerOf } from './request-context.js';

interface Carried {
  /** Digest of what was asked: the state of one call is none of another's. */
  readonly what: string;
  readonly round: number;
  /** The server's own. */
  readonly state?: string;
}

/**
 * What a client carries from one round of a request to the next. A server sees one client for all callers, so it is bound here:
 * to the tenant, the principal and the run, to the request itself, and to ten minutes.
 */
export class CarriedStates {
  private readonly codec: RequestStateCodec<Carried>;

  /** @param key 32 bytes; the same in every replica */
  constructor(key: Uint8Array) {
    this.codec = createRequestStateCodec<Carried>({
      key,
      bind: (context) => {
        const { tenant, principal, run = '' } = callerOf(context);
        return JSON.stringify([context.mcpReq.method, tenant, principal, run]);
      },
    });
  }

  get verify(): RequestStateCodec<Carried>['verify'] {
    return (state, context) => this.codec.verify(state, context);
  }

  /** Of the round that this request goes on with; 0 and nothing for a first one. @throws ProtocolError */
  of(what: Json, { mcpReq }: ServerContext): { round: number; requestState?: string } {
    const carried = mcpReq.requestState<Carried>();
    if (carried === undefined) return { round: 0 };
    if (carried.what !== digestOf(what))
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'this requestState belongs to another request');
    return { round: carried.round, ...(carried.state !== undefined && { requestState: carried.state }) };
  }

  /** The answer that asks the client. */
  async asking(what: Json, round: number, { inputRequests, requestState }: Asks, context: ServerContext) {
    const carried = {
      what: digestOf(what),
      round: round + 1,
      ...(requestState !== undefined && { state: requestState }),
    };
    return {
      resultType: 'input_required' as const,
      ...(inputRequests && { inputRequests }),
      requestState: await this.codec.mint(carried, context),
    };
  }
}
