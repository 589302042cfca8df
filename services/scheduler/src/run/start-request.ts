import type { Actor, Capability, LedgerEvent } from '@writ/ledger/domain';
import type { GrantRequest } from '../outside/grants.js';
import type { Message, Start } from './run.commands.js';
import type { RunEventData } from './run.events.js';

/** A start that somebody asks for. */
export interface StartRequest extends Omit<Start, 'type' | 'digest' | 'message'> {
  tenant: string;
  actor: Actor;
  id: string;
  /** The id was chosen by somebody: the run may be there. */
  chosen: boolean;
  /** What the run may do; absent: what `grant` says, else all that the parent or the agent may do. */
  details?: readonly Capability[];
  cause?: string;
  trace?: string;
  /** Goes with the start; the same key is the same message. */
  send?: Message & { key: string };
}

/** A start as it goes into the ledger: where no grant says what the run may do, its start does. */
export function recorded({ details, ...request }: StartRequest): Omit<StartRequest, 'details'> {
  return request.ungranted && details ? { ...request, grant: [...details] } : request;
}

type Authority = Pick<Start, 'agent' | 'workflow' | 'parent' | 'onBehalfOf'> & {
  grant?: readonly Capability[] | undefined;
  /** The run whose budget pays for it. */
  account?: string | undefined;
};

/** What is asked of identity for a run. */
export function authorityOf({ agent, workflow, parent, onBehalfOf, grant, account }: Authority) {
  return {
    agent,
    workflow,
    ...(parent !== undefined && { parent }),
    ...(onBehalfOf && { onBehalfOf }),
    ...(grant && { details: grant }),
    ...(account !== undefined && { budget: account }),
  };
}

/** The grant of a run that was started without one: what it would have got then, asked for by who started it. */
export function grantOf({ tenant, subject: run, actor, data, trace }: LedgerEvent): GrantRequest {
  const started = data as unknown as RunEventData<'run.started.v1'>;
  const authority = { ...(started as unknown as Authority), account: started.budget?.account };
  return { tenant, actor, run, ...authorityOf(authority), ...(trace !== undefined && { trace }) };
}
