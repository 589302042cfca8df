import { permits, refuse, type Aggregate, type Capability, type Peek } from '@writ/ledger/domain';
import { peekPrincipal, plain, same, within } from '../principal/principal.js';
import { notRevoked } from '../revocation/revocation.js';
import { grantEvents, type GrantEvent } from './grant.events.js';

/** What one run may do, fixed when it starts. */
export type Grant = { status: 'none' } | OpenGrant;
export interface OpenGrant {
  status: 'open';
  run: string;
  agent: string;
  parent?: string;
  chain: readonly string[];
  details: readonly Capability[];
  depth: number;
  budget?: string;
}

export type GrantCommand =
  /** `parent`: the run that starts it. `onBehalfOf`: who started a run without a parent. No `details`: all that the parent has. */
  | {
      type: 'issue';
      agent: string;
      /** What is started. */
      workflow?: string;
      parent?: string;
      onBehalfOf?: readonly string[];
      details?: readonly Capability[];
      /** The run that has the budget. */
      budget?: string;
    }
  /** The run ended: its tokens are worth nothing any more. */
  | { type: 'close' };

/** A run, its sub-agent, that one's sub-agent ...: so deep and no deeper. */
export const maxDepth = 8;

export const grant: Aggregate<Grant, GrantCommand, GrantEvent> = {
  name: 'grant',
  initial: { status: 'none' },
  events: Object.keys(grantEvents) as GrantEvent['type'][],

  decide(command, state, { subject: run, tenant, peek }) {
    switch (command.type) {
      case 'issue':
        return issue(command, state, run, tenant, peek);
      case 'close':
        return state.status === 'none' ? [] : [{ type: 'grant.closed.v1', data: { run } }];
    }
  },

  evolve(_state, event) {
    const fact = event as GrantEvent;
    // A closed grant leaves nothing behind: runs come by the million, and a run that ended has no authority to remember.
    return fact.type === 'grant.issued.v1' ? { status: 'open', ...fact.data } : grant.initial;
  },
};

function issue(
  command: Extract<GrantCommand, { type: 'issue' }>,
  state: Grant,
  run: string,
  tenant: string,
  peek: Peek,
): GrantEvent[] {
  const parent = command.parent === undefined ? undefined : openGrant(peek, command.parent);
  const chain = parent ? [parent.run, parent.agent, ...parent.chain] : [...(command.onBehalfOf ?? [])];
  const agent = peekPrincipal(peek, command.agent);
  if (!agent) throw refuse('identity.agent_not_found', `there is no agent ${command.agent} in this tenant`);
  const base = parent ? parent.details : agent.capabilities;
  const details = command.details ?? base;
  if (state.status === 'open') {
    if (state.agent === command.agent && state.parent === command.parent && same(state.details, plain(details)))
      return [];
    throw refuse('identity.grant_exists', `${run} already has a grant, for another agent, parent or authority`);
  }
  notRevoked(peek, [tenant, run, command.agent, ...chain]);
  const depth = parent ? parent.depth + 1 : 0;
  if (depth > maxDepth)
    throw refuse('identity.too_deep', `${run} would be ${depth} delegations deep; ${maxDepth} is the most`);
  within(parent ? `the parent run ${parent.run}` : `the agent ${command.agent}`, base, details);
  if (parent && !permits(parent.details, 'run.start', command.workflow))
    throw refuse(
      'identity.may_not_start',
      `${parent.run} was not granted run.start of ${command.workflow ?? 'anything'}`,
    );
  const parentage = command.parent === undefined ? {} : { parent: command.parent };
  const paid = command.budget === undefined ? {} : { budget: command.budget };
  return [
    {
      type: 'grant.issued.v1',
      data: { run, agent: command.agent, ...parentage, chain, details: plain(details), depth, ...paid },
    },
  ];
}

/** Throws `identity.grant_not_found` if the run has no grant in this tenant, or none any more. */
export function openGrant(peek: Peek, run: string): OpenGrant {
  const found = peek<Grant>('grant', run);
  if (found?.status === 'open') return found;
  throw refuse('identity.grant_not_found', `${run} has no grant, or none any more`);
}
