import type { Caller } from '@writ/api';
import { covers, refuse, type Capability } from '@writ/ledger/domain';
import type { StartRunRequest } from '@writ/proto/run/v1/run';

/** As whom a run acts, for whom, and by which rights. */
export interface StartAs {
  agent: string;
  onBehalfOf?: string[];
  parent?: string;
  depth: number;
  /** As the caller narrowed it. */
  grant?: Capability[];
  /** What is asked of identity. */
  details?: readonly Capability[];
  /** Nothing is left for identity to refuse: its grant is recorded when it first needs one. */
  ungranted?: boolean;
}

/**
 * Who calls with a run's token starts a child of that run. A child of a run, and a run that an agent starts of its own, may do at most
 * what the token holds: it may be a narrow copy in the hands of a sub-agent. People and the operator start runs as an agent, which then
 * acts on their behalf by its own rights.
 *
 * @throws DomainError `run.bad_input`, `auth.missing_capability`
 */
export function startAs(request: Pick<StartRunRequest, 'agent' | 'grant' | 'parent'>, caller: Caller): StartAs {
  const { principal, kind, run, actor } = caller;
  const agent = request.agent || principal;
  const wanted = request.grant.map(({ actions, resources }): Capability => {
    return { type: 'writ', actions, ...(resources.length > 0 && { resources }) };
  });
  if (request.parent !== '' && request.parent !== run)
    throw refuse('run.bad_input', 'a child is started by its parent: call with a token of the parent run');
  if (agent !== principal && kind === 'agent')
    throw refuse('auth.missing_capability', `${principal} cannot start runs as ${agent}`, { requires: 'run.start' });
  const narrowed = wanted.length > 0;
  const grant = narrowed ? { grant: wanted } : {};
  if (agent !== principal && run === undefined) return { agent, depth: 0, onBehalfOf: [principal], ...grant };
  const details = narrowed ? wanted : caller.grant;
  const inside = covers(caller.grant, details);
  if (!inside.ok) throw refuse('identity.exceeds_parent', `${inside.missing.actions[0]} is more than the caller holds`);
  if (run !== undefined)
    return { agent, parent: run, depth: 1, details, onBehalfOf: [run, ...(actor.onBehalfOf ?? [])], ...grant };
  const own = { agent, depth: 0, details, ...(actor.onBehalfOf && { onBehalfOf: [...actor.onBehalfOf] }), ...grant };
  // Its token has just proved what identity would look at: the agent is there, was not revoked, and holds all of this.
  return kind === 'agent' ? { ...own, ungranted: true } : own;
}
